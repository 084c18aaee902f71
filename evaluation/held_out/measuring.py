"""What is measured of the spoken held-out sentences."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from data.energy import DB_PER_UNIT
from evaluation.analyser import Analyser
from evaluation.energy import match_energy
from evaluation.fine_structure import fine_structure
from evaluation.held_out.attributes import style_attributes
from evaluation.held_out.findings import HIDDEN, Findings
from evaluation.held_out.reference import ATTRIBUTES, HeldOutReference
from evaluation.held_out.speaking import CONTOUR, ENERGY, PLAIN, RAISED, REFERENCE, Spoken
from evaluation.pitch import match_pitch, median_and_range, semitones
from evaluation.sound import Sound
from evaluation.speaker import cosine, nearest
from evaluation.speech import Speech
from evaluation.word_error import word_errors


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
