"""Further voices out of a corpus: its recordings played faster or slower, with their labels.

    python -m data.speed_perturbation corpora/generated/train.txt --out corpora/perturbed

Played r times as fast, formants and F0 are r times as high: another person, who speaks faster (Ko et al., "Audio
augmentation for speech recognition", 2015; as new speakers: Yamamoto et al., 2019). Each speaker gets `--factors` such
voices, NAME~r, slower and faster ones in turn, out of `--most` utterances each. OUT/train.txt lists them. What is there
already is not made again.
"""

from __future__ import annotations

import argparse
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr
from tqdm import tqdm

from common.arguments import Parser, folder, whole
from common.errors import reports_input_errors
from common.files import in_use, read_bounded
from data.array_file import MOST_BYTES
from data.audio import read_audio, write_wav
from data.filelist import Utterance, read_filelist, write_filelist
from data.labels import labels_path, parse_labels, write_labels
from params import Audio

SMALLEST, LARGEST = 1.07, 1.16  # factor r of a faster voice; a slower one has 1 / r


def factors(speaker: str, count: int, seed: int = 0) -> list[float]:
    """How many times as fast a speaker's further voices are: below 1 and above it in turn, to two decimals."""
    rng = np.random.default_rng((seed, zlib.crc32(speaker.encode())))
    first = int(rng.integers(2))
    sizes = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), count))
    found: list[float] = []
    for i, size in enumerate(sizes):
        step = 0.01 if (i + first) % 2 else -0.01
        factor = round(float(size if step > 0 else 1 / size), 2)
        while factor in found:  # two voices of one name would be one
            factor = round(factor + step, 2)
        found.append(factor)
    return found


def file_names(own: Sequence[Utterance]) -> list[str]:
    """A file name for each utterance of a speaker: its stem, and what tells it from another of the same stem."""
    paths = [Path(utterance.wav) for utterance in own]
    stems = Counter(path.stem for path in paths)
    return [
        path.stem if stems[path.stem] == 1 else f"{path.stem}-{zlib.crc32(path.as_posix().encode()):08x}"
        for path in paths
    ]


def _folder_name(speaker: str) -> str:
    """The speaker's name where it can be that of a folder; else its checksum."""
    plain = re.fullmatch(r"[^/\\\0]+", speaker) and not speaker.startswith(".")
    return speaker if plain else f"speaker-{zlib.crc32(speaker.encode('utf-8', 'surrogateescape')):08x}"


def perturb(utterance: Utterance, factor: float, out: Path, name: str) -> Utterance:
    """Write an utterance, and the labels beside it, `factor` times as fast, as NAME.wav in the new speaker's folder.

    Raises InputError for a recording or labels that cannot be used.
    """
    source, speaker = Path(utterance.wav), f"{utterance.speaker}~{factor:.2f}"
    target = out / "wavs" / _folder_name(speaker) / f"{name}.wav"
    if not target.exists():
        rate = Audio.sample_rate
        audio = soxr.resample(read_audio(source, rate), factor * rate, rate)
        if labels_path(source).is_file():
            labels = parse_labels(read_bounded(labels_path(source), MOST_BYTES), labels_path(source))
            faster = replace(
                labels,
                f0=factor * labels.f0,
                frame_rate=factor * labels.frame_rate,
                symbol_seconds=labels.symbol_seconds / np.float32(factor),
            )
            write_labels(target, faster)
        write_wav(target, audio, rate)
    return Utterance(str(target.relative_to(out)), utterance.text, speaker, utterance.emotion)


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m data.speed_perturbation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("filelist", type=Path)
    parser.add_argument("--out", type=folder, required=True, help="folder for the wavs and the list")
    parser.add_argument("--factors", type=whole(1, 8), default=2, help="voices of each speaker; default: %(default)s")
    parser.add_argument(
        "--most", type=whole(1, 10_000), default=12, help="utterances of such a voice; default: %(default)s"
    )
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0)
    args = parser.parse_args(argv)
    by_speaker = defaultdict(list)
    for utterance in read_filelist(args.filelist):
        by_speaker[utterance.speaker].append(utterance)
    plans = [
        (utterance, factor, args.out, name)
        for speaker, own in sorted(by_speaker.items())
        for i, factor in enumerate(factors(speaker, args.factors, args.seed))
        for utterance, name in list(zip(own, file_names(own), strict=True))[
            i :: max(args.factors, -(-len(own) // args.most))
        ]
    ]
    with in_use(args.out, "the corpus folder", "wavs/*"):
        bar = tqdm(plans, unit="file", disable=None)
        write_filelist(args.out / "train.txt", [perturb(*plan) for plan in bar])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
