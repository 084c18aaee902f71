"""What a run's numbers come to: the metrics, means of systems, and systems against a baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.measure import Measured, MeasuredRun
from evaluation.statistics import Comparison, Mean, bootstrap_mean, compare


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
    Column("nfe", "NFE", "", "", 0, "network evaluations"),
    Column("rtf", "RTF", "", "lower", 3, "time taken over length of the audio, when it was made"),
    Column("seconds", "length", "s", "", 2, "of the audio"),
)
BY_KEY = {column.key: column for column in COLUMNS}
WEIGHTS = ("words", "characters")  # what sentences weigh; not shown


_NO_WORDS = "needs English words: the texts are phones, or hold none"
_UNVOICED = "needs voice: too little of the audio is voiced"
NOT_MEASURED = {
    "wer": _NO_WORDS,
    "cer": _NO_WORDS,
    "rate": _NO_WORDS,
    "f0_median": _UNVOICED,
    "f0_range": _UNVOICED,
    "mcd": "needs recordings of the texts: --references",
    "speaker_cosine": "needs recordings of the speakers: --references",
    "speaker_right": "needs recordings of several speakers: --references",
    "gender_right": "needs recordings of speakers of both genders, and which they are: --references, --genders",
    "fine_vertical": "needs recordings of the speakers: --references",
    "fine_horizontal": "needs recordings of the speakers: --references",
    "rate_ratio": "needs recordings of the texts: --references",
    "cosine_a": "needs a and b in the run",
    "cosine_b": "needs a and b in the run",
    "f0_movement": "needs a and b in the run",
    "f0_correlation_b": "needs a and b in the run",
}
_TARGETED = "needs a contour to follow: a in the run, or --references with recordings of the texts"
_FROM = {
    "transcript": ("wer", "cer"),
    "mos": ("mos",),
    "embedding": ("speaker_cosine", "speaker_right", "gender_right", "cosine_a", "cosine_b"),
}


@dataclass(frozen=True)
class System:
    """One variant of one run; groups: by speaker, by emotion."""

    name: str
    run: str
    variant: str
    overall: dict[str, Mean]  # by column key
    speakers: dict[str, dict[str, Mean]]
    emotions: dict[str, dict[str, Mean]]


@dataclass(frozen=True)
class SystemComparison:
    """`system` against `baseline` on the sentences that both have; differences are system minus baseline."""

    system: str
    baseline: str
    columns: dict[str, Comparison]


def summarise(run: MeasuredRun) -> list[System]:
    """A system for each variant of a run."""
    return [_system(run, variant) for variant in run.run.variants]


def system_name(run: str, variant: str) -> str:
    return f"{run} {variant}" if variant else run


def compare_runs(run: MeasuredRun, baseline: MeasuredRun) -> list[SystemComparison]:
    """Each variant against the baseline's of the same name, else against its main one (ab, or plain) if it has one."""
    comparisons = []
    for variant in run.run.variants:
        other = variant if variant in baseline.run.variants else main_variant(baseline)
        if other is None:
            continue
        ours, theirs = _pairs(run.of_variant(variant), baseline.of_variant(other))
        columns = {}
        for column in COLUMNS:
            weights = None if column.weight is None else _values(ours, column.weight)
            comparison = compare(_values(ours, column.key), _values(theirs, column.key), weights)
            if comparison is not None:
                columns[column.key] = comparison
        if columns:
            names = system_name(run.run.name, variant), system_name(baseline.run.name, other)
            comparisons.append(SystemComparison(*names, columns))
    return comparisons


def main_variant(run: MeasuredRun) -> str | None:
    """The variant that a run is about; None where it has several, such as a sweep."""
    return next((name for name in ("ab", "") if name in run.run.variants), None)


def missing_reasons(systems: Sequence[System], unavailable: Mapping[str, str]) -> dict[str, str]:
    """Why columns are empty in every system. unavailable: evaluation.analyser.Analyser.unavailable."""
    empty = [column.key for column in COLUMNS if not any(column.key in system.overall for system in systems)]
    reasons = {key: NOT_MEASURED.get(key, _TARGETED) for key in empty if key not in ("nfe", "rtf")}
    reasons |= {key: "not in report.json" for key in empty if key in ("nfe", "rtf")}
    for kind, reason in unavailable.items():
        reasons |= {key: reason for key in _FROM[kind] if key in empty}
    return reasons


def _system(run: MeasuredRun, variant: str) -> System:
    clips = run.of_variant(variant)
    return System(
        name=system_name(run.run.name, variant),
        run=run.run.name,
        variant=variant,
        overall=_means(clips),
        speakers=_groups(clips, lambda measured: measured.clip.speaker),
        emotions=_groups(clips, lambda measured: measured.clip.emotion),
    )


def _groups(clips: Sequence[Measured], name_of) -> dict[str, dict[str, Mean]]:
    names = sorted({name for measured in clips if (name := name_of(measured)) is not None})
    return {name: _means([measured for measured in clips if name_of(measured) == name]) for name in names}


def _means(clips: Sequence[Measured]) -> dict[str, Mean]:
    means = {column.key: _mean(clips, column) for column in COLUMNS}
    return {key: mean for key, mean in means.items() if mean.n}


def _mean(clips: Sequence[Measured], column: Column) -> Mean:
    weights = None if column.weight is None else [w if w == w else 0.0 for w in _values(clips, column.weight)]
    return bootstrap_mean(_values(clips, column.key), weights)


def _values(clips: Sequence[Measured], key: str) -> list[float]:
    return [measured.values.get(key, math.nan) for measured in clips]


def _pairs(first: Sequence[Measured], second: Sequence[Measured]) -> tuple[list[Measured], list[Measured]]:
    """Those of the same index and text."""
    others = {(measured.clip.index, measured.clip.text): measured for measured in second}
    both = [(m, others[key]) for m in first if (key := (m.clip.index, m.clip.text)) in others]
    return [m for m, _ in both], [m for _, m in both]
