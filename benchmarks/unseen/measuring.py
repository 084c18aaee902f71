"""What comes out of a recording's voice, manner and melody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm
from unseen.references import UnseenVoice

from data.audio import read_audio, write_wav
from evaluation.analyser import Analyser
from evaluation.contours import match_pitch, median_and_range, movement, semitones
from evaluation.sound import Sound
from evaluation.speaker import centroid, cosine, nearest
from evaluation.statistics import bootstrap_mean
from evaluation.words import speaking_rate, word_errors
from model.interpolation import make_kind
from synthesis.reference import where_spoken
from synthesis.result import Result
from synthesis.synthesiser import Synthesiser
from synthesis.two_styles import speak_pairs

MANNER_SENTENCES = 2  # that each reference in a manner speaks
PAIRS = 20
ATTRIBUTES = ("F0 median, st", "F0 range, st", "log rate", "level, dB")


@dataclass(frozen=True)
class Person:
    """Recordings of somebody: one to clone, others to compare with."""

    name: str
    reference: Path
    others: tuple[Path, ...]


def person(named: Sequence[str]) -> Person:
    """A name, a reference and further recordings, as the command line gives them."""
    name, reference, *others = named
    return Person(name, Path(reference), tuple(map(Path, others)))


class Judge:
    """Speaks and measures, part by part; each part is a table."""

    def __init__(
        self,
        synthesiser: Synthesiser,
        analyser: Analyser,
        voices: Sequence[UnseenVoice],
        people: Sequence[Person],
        sentences: Sequence[str],
        out: Path,
    ) -> None:
        self.synthesiser = synthesiser
        self.analyser = analyser
        self.voices = voices
        self.people = people
        self.sentences = list(sentences)
        self.out = out
        self._rate = synthesiser.params.audio.sample_rate
        self.centroids = {voice.name: self._centre(voice.others) for voice in voices}
        self.centroids |= {someone.name: self._centre(someone.others) for someone in people}
        self.named = self._named_centroids()

    # ---------------------------------------------------------------- parts

    def clones(self) -> str:
        """Who is nearest, how near, and the words: by the model, by the nearest named voice, by the generator."""
        rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        everyone = {**{name: c for name, c in self.centroids.items() if name not in self._people}, **self.named}
        for voice in tqdm([*self.voices, *self.people], "clones"):
            label = "" if isinstance(voice, UnseenVoice) else f" of {voice.name}"
            among = everyone if not label else {**everyone, voice.name: self.centroids[voice.name]}
            looked_up = nearest(self._embedding(self._read(voice.reference)), self.named)
            for row, given in (("model", {"ref": voice.reference}), ("lookup", {"speaker": looked_up})):
                for sound, text in self._spoken(f"{row}/{voice.name}", **given):
                    self._judge(rows[row + label], sound, text, voice.name, among)
            for path, text in zip(getattr(voice, "targets", ()), self.sentences, strict=False):
                self._judge(rows["generator"], self._read(path), text, voice.name, among)
        for name in tqdm(self.named, "named voices"):
            for sound, text in self._spoken(f"named/{name}", speaker=name):
                self._judge(rows["named voices"], sound, text, name, {**self.centroids, **self.named})
        table = [
            (row, _mean(found["nearest"]), _mean(found["cosine"]), _mean(found["WER"], found["words"]))
            for row, found in rows.items()
        ]
        return _table(("", "nearest", "cosine", "WER"), table)

    def manners(self) -> str:
        """How far each attribute follows the reference's."""
        asked, got = defaultdict(list), defaultdict(list)
        texts = self.sentences[:MANNER_SENTENCES]
        for voice in tqdm(self.voices, "manners"):
            neutral = self._attributes(self._read(voice.reference), None)
            base = [self._attributes(*spoken) for spoken in self._manner(voice, voice.reference, "neutral", texts)]
            for number, path in enumerate(voice.manners):
                reference = self._attributes(self._read(path), None)
                spoken = self._manner(voice, path, f"manner_{number}", texts)
                made = [self._attributes(*each) for each in spoken]
                for i, name in enumerate(ATTRIBUTES):
                    asked[name].append(reference[i] - neutral[i])
                    got[name].append(np.mean([a[i] - b[i] for a, b in zip(made, base, strict=True)]))
        rows = []
        for name in ATTRIBUTES:
            x, y = np.array(asked[name]), np.array(got[name])
            slope, correlation = "", ""
            if x.any() and x.std() > 0 and y.std() > 0:
                slope, correlation = f"{float(x @ y / (x @ x)):.2f}", f"{np.corrcoef(x, y)[0, 1]:.2f}"
            rows.append((name, slope, correlation))
        return _table(("the reference's change", "slope", "correlation"), rows)

    def melodies(self) -> str:
        """Correlation of the F0 with the reference's, carried by position to other words."""
        found = []
        for voice in tqdm(self.voices, "melodies"):
            f0 = self.analyser.speech(self._read(voice.reference)).f0
            f0 = f0[where_spoken(f0 > 0, self.synthesiser.params.audio)]
            for sound, _ in self._spoken(
                f"melody/{voice.name}", self.sentences[:MANNER_SENTENCES], ref=voice.reference
            ):
                own = self.analyser.speech(sound).f0
                found.append(match_pitch(own, _carried(f0, len(own)), normalised=True).correlation)
        return _table(("melody of a reference with other words", "correlation"), [("model", _mean(found))])

    def pairs(self) -> str:
        """Frequency interpolation between recordings of two voices: whose F0, whose voice."""
        rng = np.random.default_rng(PAIRS)
        drawn = [rng.choice(len(self.voices), 2, replace=False) for _ in range(PAIRS)]
        kind = make_kind("same-time", self.synthesiser.params.interpolation)
        options = self.synthesiser.options()
        nearer, voice_of_b, moved = [], [], []
        for number, (a, b) in enumerate(tqdm(drawn, "pairs")):
            refs = [self.voices[i].reference for i in (a, b)]
            text = self.sentences[number % len(self.sentences)]
            requests = [self.synthesiser.requests([text], None, None, ref) for ref in refs]
            pair = next(iter(speak_pairs(self.synthesiser, *requests, [kind], options)))
            sounds = [self._kept(f"pairs/{number}", i, r) for i, r in enumerate((pair.a, pair.b, pair.between[0]))]
            f0_a, f0_b, f0 = (self.analyser.speech(sound).f0 for sound in sounds)
            share = movement(f0, _carried(f0_b, len(f0)), _carried(f0_a, len(f0)))
            moved.append(share)
            nearer.append(float(share > 0.5))
            unseen = {voice.name: self.centroids[voice.name] for voice in self.voices}
            voice_of_b.append(float(nearest(self._embedding(sounds[2]), unseen) == self.voices[b].name))
        header = ("two recordings, frequency", "nearer to a's F0", "F0 movement", "nearest to b's voice")
        return _table(header, [("model", _mean(nearer), _mean(moved), _mean(voice_of_b))])

    # -------------------------------------------------------------- speaking

    @property
    def _people(self) -> set[str]:
        return {someone.name for someone in self.people}

    def _spoken(self, place: str, texts: Sequence[str] | None = None, **given) -> Iterable[tuple[Sound, str]]:
        texts = self.sentences if texts is None else texts
        for number, result in enumerate(self.synthesiser.synthesise(texts, **given)):
            yield self._kept(place, number, result), texts[number]

    def _manner(self, voice: UnseenVoice, path: Path, name: str, texts: Sequence[str]) -> list[tuple[Sound, str]]:
        take = ("voice", "manner")
        return list(self._spoken(f"manners/{voice.name}/{name}", texts, ref=path, take=take))

    def _kept(self, place: str, number: int, result: Result) -> Sound:
        write_wav(self.out / place / f"{number}.wav", result.audio, result.sample_rate)
        return Sound(result.audio, result.sample_rate)

    # ------------------------------------------------------------- measuring

    def _judge(self, found: dict[str, list[float]], sound: Sound, text: str, name: str, among: dict) -> None:
        embedding, transcript = self._embedding(sound), self.analyser.transcript(sound)
        found["nearest"].append(float(nearest(embedding, among) == name))
        found["cosine"].append(cosine(embedding, among[name]))
        if transcript is not None:
            errors = word_errors(transcript, text)
            found["WER"].append(errors.rate)
            found["words"].append(errors.length)

    def _attributes(self, sound: Sound, text: str | None) -> tuple[float, ...]:
        """Of `ATTRIBUTES`; text: None where only differences between recordings of the same one are asked for."""
        speech = self.analyser.speech(sound)
        median, width = median_and_range(speech.f0)
        audio = self.synthesiser.params.audio
        rate = speaking_rate("a" if text is None else text, speech, audio)
        return float(semitones(median)), width, float(np.log(rate)), float(speech.energy_db[speech.active].mean())

    def _centre(self, paths: Iterable[Path]) -> np.ndarray:
        return centroid([self._embedding(self._read(path)) for path in paths])

    def _named_centroids(self) -> dict[str, np.ndarray]:
        """Of the model's named voices, as the held-out reference has them."""
        from held_out.reference import read_reference

        reference = read_reference("resources/held_out_reference.npz")
        return {name: voice.centroid for name, voice in reference.voices.items() if name in self.synthesiser.speakers}

    def _embedding(self, sound: Sound) -> np.ndarray:
        return self.analyser.embedding(sound)

    def _read(self, path: Path) -> Sound:
        return Sound(read_audio(path, self._rate), self._rate)


def _carried(f0: np.ndarray, frames: int) -> np.ndarray:
    """An F0 contour at the same relative positions of another length, 0 where unvoiced."""
    return f0[np.minimum((np.arange(frames) + 0.5) * len(f0) / frames, len(f0) - 1).astype(int)]


def _mean(values: Sequence[float], weights: Sequence[float] | None = None) -> str:
    if not len(values):
        return ""
    mean = bootstrap_mean(values, weights)
    return f"{mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
