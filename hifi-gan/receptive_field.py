"""How far the generator looks, in mel frames; exact, from the configuration alone."""

from __future__ import annotations

import math

from hifigan.configuration import VocoderConfig

END_KERNEL = 7  # of the first and the last convolution


def resblock_radius(config: VocoderConfig) -> int:
    """Samples (at the block's own rate) to either side that the widest residual block reads."""
    undilated = 1 if config.resblock == "1" else 0  # the second convolution of each pair
    return max(
        sum((kernel - 1) // 2 * (dilation + undilated) for dilation in dilations)
        for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    )


def context_frames(config: VocoderConfig, stages: int | None = None, radius: int = END_KERNEL // 2) -> tuple[int, int]:
    """Frames to the left and to the right of a frame on which its `hop_size` samples depend.

    Walks the interval of one frame's samples back through the layers. All strides divide the hop, so the answer is
    the same for every frame.

    Args:
        stages: how many of the first stages there are; None: all.
        radius: how far what follows them reads to either side, at their rate; by default, the last convolution.
    """
    end = END_KERNEL // 2  # of the first convolution
    pairs = list(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True))[:stages]
    first, last = -radius, math.prod(rate for rate, _ in pairs) - 1 + radius  # what follows the stages reads
    for rate, kernel in reversed(pairs):
        first -= resblock_radius(config)
        last += resblock_radius(config)
        # Output o of a transposed convolution reads the inputs i with 0 <= o + padding - i * rate < kernel.
        padding = (kernel - rate) // 2
        first = -((kernel - 1 - padding - first) // rate)
        last = (last + padding) // rate
    return end - first, last + end
