"""What a vocoder makes of recordings' mels, beside what the universal one makes of them.

    python benchmarks/vocoders.py -f recordings.txt [--vocoder distilled] [--precision bf16] [-o out/vocoders]

The filelist has lines `wav_path|text|group`; groups are averaged apart (voices that were met in training, and not).
Time is that of whole recordings in one thread, both vocoders in turn, the universal one by torch's layers. With
`--precision bf16` the other speaks, and both are timed, in bfloat16: `--vocoder universal` is then the default.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from common.arguments import Parser, folder
from common.device import has_bfloat16
from common.errors import InputError, reports_input_errors
from common.files import in_use
from data.audio import read_audio, write_wav
from data.filelist import TextLine, Utterance, read_filelist
from data.mel import mel_spectrogram
from evaluation.analyser import Analyser
from evaluation.contours import median_and_range
from evaluation.sound import Sound
from evaluation.speaker import cosine
from evaluation.words import word_errors
from held_out.reference import read_reference
from hifigan import Vocoder, load_vocoder, quickest, vocode
from params import Audio
from speed.outcome import Outcome, Row, Settings, seconds_in_turn
from synthesis.synthesiser import VOCODER_CHUNK, load_model

COLUMNS = ("mos_universal", "mos", "wer_universal", "wer", "f0_semitones", "cosine", "snr_db", "log_spectral_db")
TIMED = 5  # recordings
CPU = torch.device("cpu")


@reports_input_errors
def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-f", "--filelist", required=True, help="wav_path|text|group, one a line")
    parser.add_argument("--vocoder", default="distilled", help="a name or a file; default: %(default)s")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="default: %(default)s")
    parser.add_argument("--asr", choices=("tiny", "base", "none"), default="base", help="default: %(default)s")
    parser.add_argument("-o", "--out", type=folder, default=Path("out/vocoders"), help="default: %(default)s")
    parser.add_argument("--cache", type=folder, default=Path("cache/evaluation"), help="default: %(default)s")
    args = parser.parse_args(argv)
    with in_use(args.out):
        _compare(args)
    return 0


@dataclass(frozen=True, eq=False)
class Speech:
    """text: what is said. mel (1, n_mels, T): of a recording, or predicted."""

    text: str
    mel: Tensor


@dataclass(frozen=True, eq=False)
class Sides:
    """The universal vocoder by torch's layers in float32, and another one in its precision."""

    universal: Vocoder
    other: Vocoder
    precision: str

    @classmethod
    def of(cls, name: str, precision: str, audio: Audio) -> Sides:
        other = quickest(load_vocoder(name, expect=audio), CPU, precision)
        return cls(load_vocoder("universal", expect=audio), other, precision)

    def __call__(self, mel: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """What both make of a mel (1, n_mels, T): samples (T * hop,) each."""
        sides = ((self.universal, "fp32"), (self.other, self.precision))
        made = (vocode(side, mel, chunk_frames=VOCODER_CHUNK, precision=precision) for side, precision in sides)
        universal, other = (samples[0].numpy() for samples in made)
        return universal, other

    def rows(
        self, speech: Iterable[Speech], analyser: Analyser, sample_rate: int, out: Path | None = None
    ) -> Iterator[dict[str, float]]:
        """What is measured of each (`compare`); out: where the wavs go, if they are wanted."""
        for number, each in enumerate(speech):
            sounds = [Sound(samples, sample_rate) for samples in self(each.mel)]
            if out is not None:
                for name, sound in zip(("universal", "other"), sounds, strict=True):
                    write_wav(out / f"{number:02d}_{name}.wav", sound.audio, sample_rate)
            yield compare(analyser, each.text, *sounds)


def _compare(args: argparse.Namespace) -> None:
    audio = Audio()
    sides = Sides.of(args.vocoder, args.precision, audio)
    analyser = Analyser(args.cache, audio, args.asr)
    groups = defaultdict(list)
    lines = read_filelist(args.filelist)
    if not lines:
        raise InputError(f"{args.filelist} names no recording")
    speech = [_recorded(line, audio) for line in lines]
    rows = sides.rows(speech, analyser, audio.sample_rate, args.out)
    for line, row in zip(tqdm(lines, "measure", unit="recording"), rows, strict=True):
        groups[line.speaker or "all"].append(row)
    table = {group: summary(rows) for group, rows in groups.items()}
    table["all"] = summary([row for rows in groups.values() for row in rows])
    torch.set_num_threads(1)
    calls = {
        name: (lambda side=side: [vocode(side, each.mel, precision=args.precision) for each in speech[:TIMED]])
        for name, side in (("universal", sides.universal), ("other", sides.other))
    }
    seconds = seconds_in_turn(calls, 3)
    ratio = seconds["universal"] / seconds["other"]
    print(f"| | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    for group, means in table.items():
        print(f"| {group} | " + " | ".join(f"{means[name]:.3g}" for name in COLUMNS) + " |")
    print(f"time of the universal over the other's: {ratio:.2f}")
    for what, why in analyser.unavailable.items():
        print(f"not measured: {what} ({why})")
    results = {"means": table, "time_ratio": ratio, "recordings": groups}
    (args.out / "table.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def vocoder_quality(settings: Settings) -> Outcome:
    """What is vocoded by default beside V1 in float32: the default model's held-out sentences, and recordings."""
    audio, outcome = Audio(), Outcome()
    sides = Sides.of("universal", "bf16" if has_bfloat16(CPU) else "fp32", audio)
    analyser = Analyser(Path("cache/evaluation"), audio, "none" if settings.quick else "base")
    recordings = [] if settings.recordings is None else read_filelist(settings.recordings)
    sets = {
        "held-out sentences": _held_out(settings),
        "recordings": [_recorded(line, audio) for line in recordings[: 2 if settings.quick else None]],
    }
    for name, speech in sets.items():
        if not speech:
            outcome.lines.append(f"  without {name}: give a list of them with --{name}")
            continue
        rows = tqdm(sides.rows(speech, analyser, audio.sample_rate), name, len(speech), leave=False)
        means = outcome.data[name] = summary(list(rows))
        outcome.lines.append(f"  {len(speech)} {name}: " + ", ".join(f"{key} {means[key]:.4g}" for key in COLUMNS))
        outcome.rows += _quality_rows(f"{len(speech)} {name}", means)
    outcome.lines += [f"  not measured: {what} ({why})" for what, why in analyser.unavailable.items()]
    return outcome


def _quality_rows(of: str, means: dict[str, float]) -> list[Row]:
    """Without what could not be measured."""
    rows = [
        Row(f"vocoder, {of}: MOS below V1's", means["mos_universal"] - means["mos"], 0.08, 0.02, "", False),
        Row(f"vocoder, {of}: WER above V1's", 100 * (means["wer"] - means["wer_universal"]), 0.5, 0, "points", False),
        Row(f"vocoder, {of}: F0 median off V1's", means["f0_semitones"], 0.1, 0.02, "st", False),
        Row(f"vocoder, {of}: speaker cosine to V1's", means["cosine"], 0.95, 0.98, ""),
    ]
    return [row for row in rows if not math.isnan(row.value)]


def _held_out(settings: Settings) -> list[Speech]:
    """The held-out sentences by the speakers of the corpus, as the default model predicts them."""
    model = load_model(settings.checkpoint, device="cpu", precision="auto")
    sentences = read_reference("resources/held_out_reference.npz").sentences[: 2 if settings.quick else None]
    texts = [TextLine(i, i + 1, sentence.text, sentence.speaker) for i, sentence in enumerate(sentences)]
    results = tqdm(model.synthesise_each(texts, model.options()), "speak", len(texts), leave=False)
    return [Speech(text.text, torch.from_numpy(result.mel)) for text, result in zip(texts, results, strict=True)]


def _recorded(line: Utterance, audio: Audio) -> Speech:
    return Speech(line.text, torch.from_numpy(mel_spectrogram(read_audio(line.wav, audio.sample_rate), audio)))


def compare(analyser: Analyser, text: str, universal: Sound, other: Sound) -> dict[str, float]:
    """What is measured of one recording; `words` and `errors` are counts."""
    row: dict[str, float] = {}
    for ending, sound in (("_universal", universal), ("", other)):
        predicted, heard = analyser.mos(sound), analyser.transcript(sound)
        row[f"mos{ending}"] = math.nan if predicted is None else predicted
        if heard is not None:
            found = word_errors(heard, text)
            row["words"], row[f"errors{ending}"] = found.length, found.errors
    medians = [median_and_range(analyser.speech(sound).f0)[0] for sound in (universal, other)]
    row["f0_semitones"] = abs(12 * math.log2(medians[1] / medians[0]))
    voices = [analyser.embedding(sound) for sound in (universal, other)]
    row["cosine"] = math.nan if voices[0] is None else cosine(*voices)
    row["snr_db"] = snr(universal.audio, other.audio)
    row["log_spectral_db"] = log_spectral_distance(universal.audio, other.audio)
    return row


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over recordings; word error rates over all words."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in COLUMNS if name in rows[0]}
    words = sum(row.get("words", 0) for row in rows)
    for ending in ("_universal", ""):
        means[f"wer{ending}"] = sum(row[f"errors{ending}"] for row in rows) / words if words else math.nan
    return means


def snr(wanted: np.ndarray, given: np.ndarray) -> float:
    """dB of the wanted samples over the difference."""
    return float(10 * np.log10(np.square(wanted).sum() / np.square(wanted - given).sum()))


def log_spectral_distance(wanted: np.ndarray, given: np.ndarray) -> float:
    """Root mean square difference of the log spectra of a frame, in dB, averaged over frames."""
    window = torch.hann_window(1024)
    levels = [
        torch.stft(torch.from_numpy(x), 1024, 256, window=window, return_complex=True).abs().clamp(min=1e-3)
        for x in (wanted, given)
    ]
    difference = 20 * torch.log10(levels[0] / levels[1])  # (bins, T)
    return float(difference.square().mean(0).sqrt().mean())


if __name__ == "__main__":
    sys.exit(main())
