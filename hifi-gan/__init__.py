"""HiFi-GAN: mel spectrograms to audio (Kong, Kim, Bae, "HiFi-GAN", 2020, arXiv:2010.05646)."""

from __future__ import annotations

import common  # noqa: F401 - first, so that Ctrl-C while torch loads is one line
from hifigan.amx_generator import AmxGenerator
from hifigan.configuration import PRESETS, V1, V2, V3, VocoderConfig
from hifigan.fourier_generator import FourierGenerator
from hifigan.generator import Generator
from hifigan.vocoder import VOCODERS, Vocoder, load_vocoder, quickest, vocode, vocode_in_parts

__all__ = [
    "PRESETS",
    "V1",
    "V2",
    "V3",
    "VOCODERS",
    "AmxGenerator",
    "FourierGenerator",
    "Generator",
    "Vocoder",
    "VocoderConfig",
    "load_vocoder",
    "quickest",
    "vocode",
    "vocode_in_parts",
]
