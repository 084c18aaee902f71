"""How much detail a mel has: averaged mels are smooth in both directions."""

from __future__ import annotations

import numpy as np

from evaluation.speech import Speech


def fine_structure(speech: Speech) -> tuple[float, float]:
    """Standard deviation of the differences between neighbouring mel rows, and between neighbouring frames.

    Natural-log units, over the spoken part. Compared as a share of that of recordings.
    """
    mel = speech.mel[:, slice(*speech.span)].astype(np.float64)
    if mel.shape[1] < 2:
        return float("nan"), float("nan")
    return float(np.diff(mel, axis=0).std()), float(np.diff(mel, axis=1).std())
