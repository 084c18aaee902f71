"""How long evaluate.py takes for 100 results of 3 seconds, with nothing cached.

    python benchmarks/evaluation_speed.py [--results 100] [--asr tiny] [--threads 2]

The results are pieces of the sample recordings at slightly different volumes, so that no two are the same sound.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from common.arguments import Parser, whole
from common.errors import reports_input_errors
from common.processes import MOST_THREADS, cores
from data.audio import write_wav
from data.filelist import read_filelist
from evaluation.analyser import Analyser
from evaluation.session import evaluate, write_evaluation
from evaluation.sound import read_sound
from params import Audio

FILELIST = Path("resources/filelists/tiny_train.txt")
SECONDS = 3


def make_run(folder: Path, results: int, audio_params: Audio) -> None:
    utterances = read_filelist(FILELIST)
    samples = SECONDS * audio_params.sample_rate
    rows = []
    for index in range(results):
        utterance = utterances[index % len(utterances)]
        audio = np.resize(read_sound(utterance.wav, audio_params.sample_rate).audio, samples) * 0.995**index
        write_wav(folder / f"{index:04d}.wav", audio, audio_params.sample_rate)
        rows.append({"index": index, "text": utterance.text, "wav": f"{index:04d}.wav", "speaker": utterance.speaker})
    (folder / "report.json").write_text(json.dumps({"results": rows}), encoding="utf-8")


@reports_input_errors
def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=whole(1, 10**5), default=100)
    parser.add_argument("--asr", choices=("tiny", "base", "none"), default="tiny")
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), default=2)
    args = parser.parse_args()
    torch.set_num_threads(min(args.threads, cores()))
    audio = Audio()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        make_run(folder, args.results, audio)
        start = time.perf_counter()
        analyser = Analyser(Path(name) / "cache", audio, args.asr, args.threads)
        result = evaluate([folder], analyser, progress=True)
        measured = time.perf_counter()
        write_evaluation(result, folder, audio, sentences=args.results, progress=True)
        end = time.perf_counter()
        again = evaluate([folder], Analyser(Path(name) / "cache", audio, args.asr, args.threads))
        cached = time.perf_counter() - end
        size = (folder / "report.html").stat().st_size / 2**20
    assert len(again.runs[0].clips) == args.results
    print(
        f"{args.results} results of {SECONDS} s, whisper {args.asr}, {args.threads} threads: {end - start:.0f} s "
        f"(measuring {measured - start:.0f}, report {end - measured:.0f}; measuring again {cached:.0f}); "
        f"report.html {size:.1f} MB"
    )
    if missing := {key: result.missing[key] for key in ("mos", "wer") if key in result.missing}:
        print("not measured:", missing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
