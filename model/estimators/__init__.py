"""Estimators: the networks inside the diffusion, by name.

An estimator is an `nn.Module` with two methods:

* `prepare(mu, mask, style, frame_position=None) -> condition`, once per utterance (or training crop): everything that
  does not depend on the latent or the time. mu (B, 80, T), mask (B, 1, T) of 0 and 1, frame_position (B, T) in [0, 1]
  relative to the whole utterance. What `style` is, the estimator says; for `unet` it is the speaker's embedding
  (B, G), or None. The condition is an object of the estimator's own type with at least `.mu` and `.mask`.
* `forward(x, t, condition, attention=None) -> (B, 80, T)`, masked; x (B, 80, T), t (B,). What x, t and the output mean
  is decided by the wrapper (`model.diffusion`): noisy mel, diffusion time and score for `NoiseDiffusion`; scaled noisy
  residual, log noise level and EDM's F for `ResidualDiffusion`. `attention` edits or records an estimator's style
  attention; one that has none refuses anything but None.
* the attribute `length_multiple`: T must be a multiple of it.

Adding an estimator is one file here and one line in `ESTIMATORS`.
"""

from __future__ import annotations

from model.estimators.cross_unet import CrossUNet
from model.estimators.unet import UNet

ESTIMATORS: dict[str, type] = {
    "unet": UNet,
    "cross_unet": CrossUNet,
}
