"""One text as two styles would say it, over common durations."""

from __future__ import annotations

import torch
from torch import Tensor

from model.cond_grad_tts import CondGradTTS, Frames
from model.cond_text_encoder import CondTextEncoding, round_durations
from model.lengths import duration_path, padded_length, sequence_mask
from model.style import StyleSource


@torch.no_grad()
def encode_both(
    model: CondGradTTS, ids: Tensor, lengths: Tensor, style_a: StyleSource, style_b: StyleSource
) -> tuple[CondTextEncoding, CondTextEncoding]:
    """ids (1, S), lengths (1,) -> the text's tokens under each style's speaker and emotion.

    Raises ValueError unless there is one text.
    """
    if len(ids) != 1:
        raise ValueError(f"two styles are interpolated one text at a time, not {len(ids)}")
    a, b = (model.encoder(ids, lengths, style.speaker, style.emotion) for style in (style_a, style_b))
    return a, b


@torch.no_grad()
def spread_both(
    model: CondGradTTS, a: CondTextEncoding, b: CondTextEncoding, share: Tensor, length_scale: float
) -> tuple[Frames, Frames]:
    """Both texts over the same durations: log-durations interpolated by a's share (S,) of each token, then rounded.

    Raises ValueError if the length scale is not positive.
    """
    if not length_scale > 0:
        raise ValueError(f"length_scale must be positive, not {length_scale}")
    share = share.to(a.log_durations)
    logs = share * a.log_durations + (1 - share) * b.log_durations  # (1, S)
    durations = round_durations(logs.exp() * a.mask.squeeze(1) * length_scale)
    lengths = durations.sum(1)
    size = padded_length(int(lengths.max()), model.decoder.estimator.length_multiple)
    mask = sequence_mask(lengths, size, a.mu.dtype)
    path = duration_path(durations.to(a.mu.dtype), a.mask, mask)
    frames_a, frames_b = (model.spread_durations(text, durations, lengths, path, mask) for text in (a, b))
    return frames_a, frames_b
