"""What is measured of the spoken held-out sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data.energy import DB_PER_UNIT
from evaluation.analyser import Analyser
from evaluation.energy import match_energy
from evaluation.fine_structure import fine_structure
from evaluation.held_out.attributes import style_attributes
from evaluation.held_out.reference import ATTRIBUTES, HeldOutReference
from evaluation.held_out.speaking import CONTOUR, ENERGY, PLAIN, RAISED, REFERENCE, Spoken
from evaluation.pitch import match_pitch, median_and_range, semitones
from evaluation.sound import Sound
from evaluation.speaker import cosine, nearest
from evaluation.speech import Speech
from evaluation.statistics import Mean, bootstrap_mean
from evaluation.word_error import word_errors


@dataclass
class Measurements:
    """Values by name and sentence, collected utterance by utterance; `summary` takes their means."""

    reference: HeldOutReference
    analyser: Analyser
    _values: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    _weights: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    _attributes: dict[str, dict[int, dict[str, float]]] = field(default_factory=lambda: defaultdict(dict))
    _checks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

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
            self._put("energy", spoken, match.correlation)
        else:
            self._contour(run, spoken, speech)

    def _put(self, name: str, spoken: Spoken, value: float, weight: float = 1.0) -> None:
        self._values[name][spoken.number] = value
        self._weights[name][spoken.number] = weight

    def _words(self, run: str, spoken: Spoken, sound: Sound) -> None:
        transcript = self.analyser.transcript(sound)
        if transcript is None:
            return
        errors = word_errors(transcript, spoken.result.text)
        self._put(f"wer_{run}", spoken, errors.rate, errors.length)
        if run == PLAIN:
            sentence = self.reference.sentences[spoken.number]
            self._put("wer_corpus", spoken, sentence.errors / sentence.words, sentence.words)

    def _voice(self, spoken: Spoken, sound: Sound, speech: Speech) -> None:
        voice = self.reference.voices[spoken.speaker]
        vertical, horizontal = fine_structure(speech)
        self._put("fine_vertical", spoken, vertical / voice.fine_structure[0])
        self._put("fine_horizontal", spoken, horizontal / voice.fine_structure[1])
        taken = spoken.result.mel_seconds + spoken.result.vocoder_seconds
        self._put("rtf", spoken, taken / spoken.result.seconds, spoken.result.seconds)
        if (mos := self.analyser.mos(sound)) is not None:
            self._put("mos", spoken, mos)
        embedding = self.analyser.embedding(sound)
        if embedding is not None:
            centroids = {name: voice.centroid for name, voice in self.reference.voices.items()}
            self._put("nearest", spoken, float(nearest(embedding, centroids) == spoken.speaker))
            self._put("cosine", spoken, cosine(embedding, voice.centroid))

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
                self._checks[f"{run} {name}"].append(found[-1])
        self._put(f"style_{run}", spoken, float(np.mean(found)), len(found))

    def _contour(self, run: str, spoken: Spoken, speech: Speech) -> None:
        match = match_pitch(speech.f0, spoken.asked, normalised=True)
        if run in (CONTOUR, REFERENCE):
            self._put(f"f0_{run}", spoken, match.correlation)
        height = float(semitones(median_and_range(speech.f0)[0]))
        self._put(f"height_{run}", spoken, height)
        if run == RAISED:
            self._put("raise", spoken, height - self._values[f"height_{CONTOUR}"][spoken.number])

    def summary(self) -> dict[str, Mean]:
        """Means over sentences, by name; what could not be measured is not there."""
        means = {name: self._mean(name) for name in self._values if not name.startswith("height_")}
        styles = [name for name in self._values if name.startswith("style_")]
        if styles:
            pooled = [(self._values[s][n], self._weights[s][n]) for s in styles for n in self._values[s]]
            means["style"] = bootstrap_mean(*zip(*pooled, strict=True))
        if "wer_plain" in means:
            plain, other = self._values["wer_plain"], self._values[f"wer_{REFERENCE}"]
            weights = [self._weights["wer_plain"][number] for number in plain]
            means["leak"] = bootstrap_mean([other[number] - plain[number] for number in plain], weights)
            corpus = self._values["wer_corpus"]
            means["wer_above"] = bootstrap_mean([plain[number] - corpus[number] for number in plain], weights)
        return means

    def checks(self) -> dict[str, float]:
        """Share of sentences on the corpus's side of neutral, by style and attribute."""
        return {name: float(np.mean(found)) for name, found in self._checks.items()}

    def by_speaker(self, name: str) -> dict[str, float]:
        """Mean of a measurement over the sentences of each speaker."""
        groups: dict[str, list[int]] = defaultdict(list)
        for number in self._values.get(name, {}):
            groups[self.reference.sentences[number].speaker].append(number)
        return {speaker: self._mean(name, numbers).value for speaker, numbers in sorted(groups.items())}

    def _mean(self, name: str, numbers: Sequence[int] | None = None) -> Mean:
        values, weights = self._values[name], self._weights[name]
        numbers = list(values) if numbers is None else numbers
        return bootstrap_mean([values[number] for number in numbers], [weights[number] for number in numbers])
