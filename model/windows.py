"""An utterance decoded stretch by stretch, so that its beginning can be heard before its end is known.

The decoder learns from crops, so stretches are what it knows: a frame owes little to frames far from it (by the middle
of the U-Net, which attends to everything). Each is decoded with frames to either side of it, which are thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from model.cond_grad_tts import CondGradTTS
from model.manner import level_of_mel
from model.randomness import frame_normal
from model.style import StyleSource
from model.text_to_mel import Frames, Sampling, Synthesis, louder

BESIDE = 48  # frames; a multiple of every estimator's `length_multiple`
_MOST_LOUDER = 0.35  # natural log of amplitude, 3 dB; a stretch of silence says little about a level


@torch.no_grad()
def decode_in_windows(
    model: CondGradTTS, frames: Frames, style: StyleSource, sampling: Sampling, first: int, most: int
) -> Iterator[Synthesis]:
    """`TextToMel.decode` of one utterance in stretches, which lie side by side.

    first: frames of the first stretch, a multiple of 4; each further one has twice as many, up to most; none is much
    shorter than the one before. An utterance that is one stretch is what `decode` makes of it.
    """
    if frames.mu.shape[2] < first + first // 2:
        yield model.decode(frames, style, sampling)
        return
    frames = model.levelled(frames, style)
    tokens = model.tokens_at(style, frames)
    noise = frame_normal(frames.mu, sampling.generator) if sampling.noise is None else sampling.noise
    total, begin, size = frames.mu.shape[2], 0, first
    decoded = []
    while begin < total:
        end = total if total - begin < size + size // 2 else begin + size
        low, high = max(begin - BESIDE, 0), min(end + BESIDE, total)
        window = replace(frames.window(low, high), level=None)
        denoiser = model.denoiser(window, tokens)
        found = model.sample(denoiser, window, replace(sampling, noise=noise[:, :, low:high]))
        inner = slice(begin - low, end - low)
        stretch = replace(
            found, mel=found.mel[..., inner], mu=found.mu[..., inner], alignment=found.alignment[..., inner]
        )
        decoded.append(stretch.mel)
        if frames.level is not None:
            # As loud as what is decoded so far should be; each stretch as far as it goes would be too soft or too loud.
            so_far = model.at_own_level(frames.window(0, end))
            lacking = so_far.level - level_of_mel(torch.cat(decoded, 2), so_far.lengths)  # (1,)
            here = frames.window(begin, end).lengths
            stretch = replace(
                stretch, mel=louder(stretch.mel, here, lacking.clamp(-_MOST_LOUDER, _MOST_LOUDER)[:, None])
            )
        yield stretch
        begin, size = end, min(2 * size, most)
