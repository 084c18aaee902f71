"""Predicted mean opinion score: Distill-MOS (Stahl and Gamper, 2025), 1 (bad) to 5 (excellent).

It was learned from ratings of transmitted, coded and enhanced speech and of some synthesis. It orders systems that
differ plainly (noise, buzz, blur); differences below about 0.1 mean nothing, and it hears neither wrong words nor a
wrong speaker.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import io

import numpy as np

from evaluation.optional import import_with_placeholders, require
from evaluation.sound import AnalysisCache, Sound


class MosPredictor:
    def __init__(self, cache: AnalysisCache) -> None:
        """Raises NotInstalledError without distillmos."""
        require("distillmos", "xls_r_sqa")
        self._cache = cache
        self._kind = f"mos distillmos {importlib.metadata.version('distillmos')}"

    def predict(self, sound: Sound) -> float:
        return float(self._cache.get(sound.digest, self._kind, lambda: np.array(self._predict(sound))))

    def _predict(self, sound: Sound) -> float:
        import torch

        with torch.inference_mode():
            return float(self._model(torch.from_numpy(sound.at_model_rate)[None]))

    @functools.cached_property
    def _model(self):
        # It uses torchaudio only to read files in its own command line.
        package = import_with_placeholders("distillmos", {"torchaudio": {}})
        with contextlib.redirect_stdout(io.StringIO()):
            return package.ConvTransformerSQAModel().eval()
