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
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from common.arguments import Parser, folder
from common.errors import InputError, reports_input_errors
from common.files import in_use
from data.audio import read_audio, write_wav
from data.filelist import read_filelist
from data.mel import mel_spectrogram
from evaluation.analyser import Analyser
from evaluation.contours import median_and_range
from evaluation.sound import Sound
from evaluation.speaker import cosine
from evaluation.words import word_errors
from hifigan import load_vocoder, quickest, vocode
from params import Audio
from speed.outcome import seconds_in_turn

COLUMNS = ("mos_universal", "mos", "wer_universal", "wer", "f0_semitones", "cosine", "snr_db", "log_spectral_db")
TIMED = 5  # recordings


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


def _compare(args: argparse.Namespace) -> None:
    audio = Audio()
    other = quickest(load_vocoder(args.vocoder, expect=audio), torch.device("cpu"), args.precision)
    sides = {"universal": load_vocoder("universal", expect=audio), "other": other}
    analyser = Analyser(args.cache, audio, args.asr)
    groups = defaultdict(list)
    lines = read_filelist(args.filelist)
    if not lines:
        raise InputError(f"{args.filelist} names no recording")
    mels = [torch.from_numpy(mel_spectrogram(read_audio(line.wav, audio.sample_rate), audio)) for line in lines]
    for number, (line, mel) in enumerate(zip(tqdm(lines, "measure", unit="recording"), mels, strict=True)):
        universal, other = (
            vocode(vocoder, mel, chunk_frames=256, precision=precision)[0].numpy()
            for vocoder, precision in zip(sides.values(), ("fp32", args.precision), strict=True)
        )
        for name, samples in (("universal", universal), ("other", other)):
            write_wav(args.out / f"{number:02d}_{name}.wav", samples, audio.sample_rate)
        row = compare(analyser, line.text, Sound(universal, audio.sample_rate), Sound(other, audio.sample_rate))
        groups[line.speaker or "all"].append(row)
    table = {group: summary(rows) for group, rows in groups.items()}
    table["all"] = summary([row for rows in groups.values() for row in rows])
    torch.set_num_threads(1)
    calls = {
        name: (lambda vocoder=vocoder: [vocode(vocoder, mel, precision=args.precision) for mel in mels[:TIMED]])
        for name, vocoder in sides.items()
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
