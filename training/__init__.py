"""Training of the conditional model."""
