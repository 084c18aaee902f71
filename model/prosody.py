"""What is asked of a text's tokens, and how it changes durations, contours and mels: exactly, and nothing else.

Durations and F0 are changed before the decoder reads them, so a changed word is spoken anew. The level is changed after
it: an offset of a log-mel *is* a gain, to the decibel, where the decoder's energy input moves the level by less than it
is told, since the decoder learned it together with the voice's effort.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.units import DECIBEL, SEMITONE, SILENCE

_EDGE = (0.25, 0.5, 0.25)  # how a step of the level is spread over frames


@dataclass(frozen=True)
class TokenProsody:
    """Of each token, (B, S) each: pitch in semitones up, range as a factor about the utterance's median, rate as a
    factor of the speed, volume in dB up; longest: the frames that it may have; pause: frames of silence that it is, or
    -1.
    """

    pitch: Tensor
    range: Tensor
    rate: Tensor
    volume: Tensor
    longest: Tensor
    pause: Tensor

    def to(self, device: torch.device) -> TokenProsody:
        return TokenProsody(**{name: value.to(device) for name, value in vars(self).items()})

    @property
    def changes_pitch(self) -> bool:
        return bool((self.pitch != 0).any() or (self.range != 1).any())

    def log_durations(self, log_durations: Tensor, length_scale: float = 1.0) -> Tensor:
        """What `TextToMel.spread` takes, (B, S) float64, for what the text encoder expects: the rate divides it, pauses
        last what they say.

        length_scale: what `spread` will multiply all of it by. Rounding in running sums then lets every stretch err by
        less than a frame; float64 keeps whole frames whole.
        """
        spoken = (log_durations.double() - self.rate.double().log()).minimum(
            (self.longest.double() / length_scale).log()
        )
        pause = (self.pause.double() / length_scale).log()  # of no frames: -inf, which lasts nothing
        return torch.where(self.pause < 0, spoken, pause)

    def log_f0(self, log_f0: Tensor, voicing: Tensor, path: Tensor) -> Tensor:
        """The contour (B, T) with its range and height changed; voicing (B, T), path (B, S, T).

        The median is over the voiced frames of the contour as it came.
        """
        wide, shift = self._over_frames(self.range, path, 1.0), self._over_frames(self.pitch, path, 0.0)
        if bool((wide != 1).any()):
            voiced = (voicing > 0.5) & (path.sum(1) > 0)
            centre = torch.nanmedian(torch.where(voiced, log_f0, torch.nan), 1, keepdim=True).values  # (B, 1)
            centre = torch.where(centre.isnan(), log_f0, centre)
            log_f0 = torch.where(wide == 1, log_f0, centre + (log_f0 - centre) * wide)
        return log_f0 + shift * SEMITONE

    def mel(self, mel: Tensor, path: Tensor) -> Tensor:
        """The decoded mel (B, n_mels, T) in natural log, with its level changed and its pauses silent.

        Steps of the level are spread over three frames. What is lowered stops at the mel's floor.
        """
        level = self._over_frames(self.volume, path, 0.0)  # (B, T)
        if bool((level != 0).any()):
            kernel = level.new_tensor(_EDGE)[None, None]
            smooth = F.conv1d(F.pad(level[:, None], (1, 1), mode="replicate"), kernel) * DECIBEL  # (B, 1, T)
            mel = torch.where(smooth < 0, (mel + smooth).maximum(mel.clamp(max=SILENCE)), mel + smooth)
        silent = self._over_frames((self.pause >= 0).to(mel), path, 0.0)[:, None] > 0.5  # (B, 1, T)
        return torch.where(silent, SILENCE, mel)

    @staticmethod
    def _over_frames(values: Tensor, path: Tensor, outside: float) -> Tensor:
        """(B, S) -> (B, T), and a value for the frames past the end."""
        by_frame = torch.einsum("bs,bst->bt", values.to(path), path)
        return torch.where(path.sum(1) > 0, by_frame, outside)
