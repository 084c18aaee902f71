"""The metrics that a run is measured by: their names, units, and which way is better."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    key: str
    title: str
    unit: str  # "%": values are shares in [0, 1]
    better: str  # "lower", "higher", or "" where neither is
    digits: int
    meaning: str
    weight: str | None = None  # key of each sentence's weight in the mean

    def show(self, value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return "-"
        scaled = round(value * (100 if self.unit == "%" else 1), self.digits)
        return f"{scaled + 0.0:.{self.digits}f}"  # + 0.0: no minus before a zero

    @property
    def heading(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title


COLUMNS = (
    Column("wer", "WER", "%", "lower", 1, "word errors of the recogniser over the words of the text", "words"),
    Column("cer", "CER", "%", "lower", 1, "character errors over the characters of the text", "characters"),
    Column("mos", "MOS", "", "higher", 2, "predicted by Distill-MOS, 1 to 5"),
    Column("speaker_cosine", "speaker cosine", "", "higher", 3, "to the centroid of the speaker's recordings"),
    Column("speaker_right", "right speaker", "%", "higher", 1, "the speaker's centroid is the nearest of all"),
    Column("gender_right", "right gender", "%", "higher", 1, "that of most of the 5 nearest reference recordings"),
    Column("cosine_a", "cosine to a", "", "", 3, "speaker embedding, to a alone"),
    Column("cosine_b", "cosine to b", "", "", 3, "speaker embedding, to b alone"),
    Column("f0_rmse", "F0 RMSE", "st", "lower", 2, "semitones to the target contour, voiced in both"),
    Column("f0_rmse_norm", "F0 RMSE, norm.", "st", "lower", 2, "the same, each about its own median"),
    Column("f0_correlation", "F0 correlation", "", "higher", 3, "of log F0 with the target contour"),
    Column("f0_gross", "gross pitch error", "%", "lower", 1, "off by over 20%, of frames voiced in both"),
    Column("f0_gross_norm", "gross p. e., norm.", "%", "lower", 1, "the same, each about its own median"),
    Column("f0_voicing", "voicing error", "%", "lower", 1, "frames whose voicing differs from the target's"),
    Column("f0_frame", "F0 frame error", "%", "lower", 1, "grossly wrong, or voicing differs"),
    Column("f0_frame_norm", "F0 f. e., norm.", "%", "lower", 1, "the same, each about its own median"),
    Column("f0_movement", "F0 movement", "%", "", 1, "share of the way from b's contour to a's"),
    Column("f0_correlation_b", "F0 correlation to b", "", "", 3, "of log F0 with b's contour"),
    Column("energy_correlation", "energy correlation", "", "higher", 3, "with b's, or the recording's"),
    Column("energy_rmse", "energy RMSE", "dB", "lower", 1, "to b's, or the recording's"),
    Column("mcd", "MCD", "dB", "lower", 2, "mel-cepstral distortion to a recording of the text"),
    Column("fine_vertical", "fine structure, vertical", "%", "", 1, "spread of mel differences, of the recordings'"),
    Column("fine_horizontal", "fine structure, horizontal", "%", "", 1, "the same from frame to frame"),
    Column("f0_median", "F0 median", "Hz", "", 0, "voiced frames"),
    Column("f0_range", "F0 range", "st", "", 1, "10th to 90th percentile"),
    Column("energy", "energy", "dB", "", 1, "mean of the spoken frames, of an arbitrary reference"),
    Column("rate", "rate", "syll/s", "", 2, "from the first to the last sound"),
    Column("rate_ratio", "rate to recording", "%", "", 1, "of the recording of the same text"),
    Column("age", "age", "", "", 0, "no model that deserves trust is known"),
    Column("nfe", "NFE", "", "", 0, "network evaluations"),
    Column("rtf", "RTF", "", "lower", 3, "time taken over length of the audio, when it was made"),
    Column("seconds", "length", "s", "", 2, "of the audio"),
)
BY_KEY = {column.key: column for column in COLUMNS}
WEIGHTS = ("words", "characters")  # what sentences weigh; not shown
