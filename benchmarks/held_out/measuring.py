"""What is measured of the spoken held-out sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from common.processes import map_in_processes
from data.audio import write_wav
from data.mel import DB_PER_UNIT
from evaluation.analyser import Analyser
from evaluation.contours import match_energy, match_pitch, median_and_range, semitones
from evaluation.sound import Sound
from evaluation.speaker import cosine, nearest
from evaluation.spectrum import fine_structure
from evaluation.speech import Speech
from evaluation.words import speaking_rate, word_errors
from held_out.reference import ATTRIBUTES, NEUTRAL, HeldOutReference
from held_out.speaking import CONTOUR, ENERGY, PLAIN, RAISED, REFERENCE, Spoken, speak_held_out
from held_out.table import HIDDEN, Findings
from params import Audio
from synthesis import load_model
from synthesis.options import Options

STANDARD_ERRORS = 2.0  # a difference smaller than this has no side


def style_attributes(text: str, speech: Speech, audio_params: Audio) -> dict[str, float]:
    """F0 median and range in semitones, rate in syllables a second, energy in dB; NaN where nothing is voiced."""
    median, width = median_and_range(speech.f0)
    return {
        "f0_median": float(semitones(median)),
        "f0_range": width,
        "rate": speaking_rate(text, speech, audio_params),
        "energy": float(speech.energy_db[speech.active].mean()),
    }


def corpus_sides(measured: Iterable[tuple[str, str, dict[str, float]]]) -> dict[str, dict[str, int]]:
    """On which side of neutral each style has each attribute, out of (speaker, style, attributes) of utterances.

    Differences are taken within each voice, so that a voice that speaks one style more often weighs no more.
    """
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for speaker, style, attributes in measured:
        for name in ATTRIBUTES:
            if np.isfinite(attributes[name]):
                values[style, name, speaker].append(attributes[name])
    styles = sorted({style for style, _, _ in values} - {NEUTRAL})
    speakers = sorted({speaker for _, _, speaker in values})
    return {style: {name: _side(values, style, name, speakers) for name in ATTRIBUTES} for style in styles}


def _side(values: dict[tuple[str, str, str], list[float]], style: str, name: str, speakers: list[str]) -> int:
    differences, variances = [], []
    for speaker in speakers:
        own, neutral = (values.get((kind, name, speaker), []) for kind in (style, NEUTRAL))
        if len(own) > 1 and len(neutral) > 1:
            differences.append(np.mean(own) - np.mean(neutral))
            variances.append(np.var(own, ddof=1) / len(own) + np.var(neutral, ddof=1) / len(neutral))
    if not differences:
        return 0
    mean, error = np.mean(differences), np.sqrt(np.sum(variances)) / len(differences)
    return int(np.sign(mean)) if abs(mean) > STANDARD_ERRORS * error else 0


@dataclass
class Measurements:
    """Measures utterance by utterance and keeps the findings."""

    reference: HeldOutReference
    analyser: Analyser
    findings: Findings = field(default_factory=Findings)
    _attributes: dict[str, dict[int, dict[str, float]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, run: str, spoken: Spoken) -> None:
        """Measure an utterance of one of the runs of `speaking.speak_held_out`, in their order."""
        sound = Sound(spoken.result.audio, spoken.result.sample_rate)
        speech = self.analyser.speech(sound)
        if run in (PLAIN, REFERENCE):
            self._words(run, spoken, sound)
        if run == PLAIN:
            self._voice(spoken, sound, speech)
        if run == PLAIN or run in self.reference.sides:
            self._style(run, spoken, speech)
        elif run == ENERGY:
            match = match_energy(speech.energy_db, spoken.asked * DB_PER_UNIT)
            self.findings.put("energy", spoken.number, match.correlation)
        else:
            self._contour(run, spoken, speech)

    def _words(self, run: str, spoken: Spoken, sound: Sound) -> None:
        transcript = self.analyser.transcript(sound)
        if transcript is None:
            return
        errors = word_errors(transcript, spoken.result.text)
        self.findings.put(f"wer_{run}", spoken.number, errors.rate, errors.length)
        if run == PLAIN:
            sentence = self.reference.sentences[spoken.number]
            self.findings.put("wer_corpus", spoken.number, sentence.errors / sentence.words, sentence.words)

    def _voice(self, spoken: Spoken, sound: Sound, speech: Speech) -> None:
        voice, number, put = self.reference.voices[spoken.speaker], spoken.number, self.findings.put
        vertical, horizontal = fine_structure(speech)
        put("fine_vertical", number, vertical / voice.fine_structure[0])
        put("fine_horizontal", number, horizontal / voice.fine_structure[1])
        if (mos := self.analyser.mos(sound)) is not None:
            put("mos", number, mos)
        embedding = self.analyser.embedding(sound)
        if embedding is not None:
            centroids = {name: voice.centroid for name, voice in self.reference.voices.items()}
            put("nearest", number, float(nearest(embedding, centroids) == spoken.speaker))
            put("cosine", number, cosine(embedding, voice.centroid))

    def _style(self, run: str, spoken: Spoken, speech: Speech) -> None:
        attributes = style_attributes(spoken.result.text, speech, self.analyser.audio_params)
        self._attributes[run][spoken.number] = attributes
        if run == PLAIN:
            return
        neutral = self._attributes[PLAIN][spoken.number]
        found = []
        for name in ATTRIBUTES:
            side = self.reference.sides[run][name]
            if side:
                # A difference that is not a number lies on no side.
                found.append(float((attributes[name] - neutral[name]) * side > 0))
                self.findings.checks[f"{run} {name}"][spoken.number] = found[-1]
        if found:
            self.findings.put(f"style_{run}", spoken.number, float(np.mean(found)), len(found))

    def _contour(self, run: str, spoken: Spoken, speech: Speech) -> None:
        findings, number = self.findings, spoken.number
        match = match_pitch(speech.f0, spoken.asked, normalised=True)
        if run in (CONTOUR, REFERENCE):
            findings.put(f"f0_{run}", number, match.correlation)
        height = float(semitones(median_and_range(speech.f0)[0]))
        findings.put(f"{HIDDEN}{run}", number, height)
        if run == RAISED:
            findings.put("raise", number, height - findings.values[f"{HIDDEN}{CONTOUR}"][number])


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
