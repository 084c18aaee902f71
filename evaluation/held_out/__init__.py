"""How good a model is on sentences that it has never seen."""
