"""Text encoder, estimators, diffusion, samplers: no file reading, no printing, no choice of device."""
