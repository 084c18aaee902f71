"""What the generator and the discriminators minimise (Kong et al., "HiFi-GAN", 2020, section 2.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from data.mel import MAGNITUDE_FLOOR
from model.mel_filters import mel_filters
from model.units import AMPLITUDE_FLOOR
from params import Audio

MEL_WEIGHT = 45.0
FEATURE_WEIGHT = 2.0


class LogMel(nn.Module):
    """`data.mel` for batches, with a gradient: (B, N) audio -> (B, n_mels, N // hop)."""

    def __init__(self, audio: Audio) -> None:
        super().__init__()
        self.audio = audio
        self.register_buffer("filters", torch.tensor(mel_filters(audio)))  # (n_mels, bins)
        self.register_buffer("window", torch.hann_window(audio.win_length))

    def forward(self, audio: Tensor) -> Tensor:
        p = self.audio
        side = (p.n_fft - p.hop_length) // 2
        padded = functional.pad(audio.unsqueeze(1), (side, side), "reflect").squeeze(1)  # (B, N + 2 side)
        spectrum = torch.stft(
            padded, p.n_fft, p.hop_length, p.win_length, self.window, center=False, return_complex=True
        )  # (B, bins, T)
        # The floor is under the root so that the gradient stays finite in silence.
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + MAGNITUDE_FLOOR)
        return torch.log((self.filters @ magnitude).clamp(min=AMPLITUDE_FLOOR))


def discriminator_loss(real_scores: list[Tensor], fake_scores: list[Tensor]) -> Tensor:
    """Least squares, real to 1 and generated to 0, summed over the sub-discriminators (equation 1)."""
    pairs = zip(real_scores, fake_scores, strict=True)
    return torch.stack([(1 - real).square().mean() + fake.square().mean() for real, fake in pairs]).sum()


def adversarial_loss(fake_scores: list[Tensor]) -> Tensor:
    """Least squares, generated to 1, summed over the sub-discriminators (equation 2)."""
    return torch.stack([(1 - fake).square().mean() for fake in fake_scores]).sum()


def feature_matching_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Mean absolute difference of each layer's features, summed over layers and sub-discriminators (equation 4)."""
    return torch.stack(
        [
            functional.l1_loss(fake_layer, real_layer)
            for real_layers, fake_layers in zip(real, fake, strict=True)
            for real_layer, fake_layer in zip(real_layers, fake_layers, strict=True)
        ]
    ).sum()
