"""The held-out sentences, spoken and measured by several processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from common.processes import map_in_processes
from data.audio import write_wav
from evaluation.analyser import Analyser
from evaluation.held_out.findings import Findings
from evaluation.held_out.measuring import Measurements
from evaluation.held_out.reference import HeldOutReference
from evaluation.held_out.speaking import speak_held_out
from synthesis import load_model
from synthesis.options import Options


@dataclass(frozen=True)
class Work:
    """What every process needs to know; threads: of each. out: folder for the wavs, of each run one."""

    checkpoint: str
    reference: HeldOutReference
    options: Options
    asr: str
    cache: Path
    out: Path
    threads: int


def measure_held_out(work: Work, workers: int) -> Iterator[Findings]:
    """What is found of each sentence, in order.

    Raises InputError if a process was killed.
    """
    yield from map_in_processes(_measure, range(len(work.reference.sentences)), workers, _start, (work,))


_worker = None  # of a process of the pool: the work, with model and analyser


def _start(work: Work) -> None:
    global _worker
    torch.set_num_threads(work.threads)
    synthesiser = load_model(work.checkpoint, precision="auto")
    _worker = work, synthesiser, Analyser(work.cache, synthesiser.params.audio, work.asr, work.threads)


def _measure(number: int) -> Findings:
    work, synthesiser, analyser = _worker
    measurements = Measurements(work.reference, analyser)
    for run, spoken in speak_held_out(synthesiser, work.reference, work.options, [number]):
        write_wav(work.out / run / f"{number:04d}.wav", spoken.result.audio, spoken.result.sample_rate)
        measurements.add(run, spoken)
    return measurements.findings
