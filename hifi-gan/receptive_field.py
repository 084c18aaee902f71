"""How far the generator looks, in mel frames; exact, from the configuration alone."""

from __future__ import annotations

from hifigan.configuration import VocoderConfig
from hifigan.generator import END_KERNEL


def resblock_radius(config: VocoderConfig) -> int:
    """Samples (at the block's own rate) to either side that the widest residual block reads."""
    undilated = 1 if config.resblock == "1" else 0  # the second convolution of each pair
    return max(
        sum((kernel - 1) // 2 * (dilation + undilated) for dilation in dilations)
        for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    )


def context_frames(config: VocoderConfig) -> tuple[int, int]:
    """Frames to the left and to the right of a frame on which its `hop_size` samples depend.

    Walks the interval of one frame's samples back through the layers. All strides divide the hop, so the answer is
    the same for every frame.
    """
    end = END_KERNEL // 2
    first, last = -end, config.hop_size - 1 + end  # what the last convolution reads
    stages = list(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True))
    for rate, kernel in reversed(stages):
        first -= resblock_radius(config)
        last += resblock_radius(config)
        # Output o of a transposed convolution reads the inputs i with 0 <= o + padding - i * rate < kernel.
        padding = (kernel - rate) // 2
        first = -((kernel - 1 - padding - first) // rate)
        last = (last + padding) // rate
    return end - first, last + end
