"""Measure a run: every metric of every clip."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from common.errors import InputError
from evaluation.analyser import Analyser
from evaluation.carry import carry_f0, carry_values, positions
from evaluation.clips import Clip, Run
from evaluation.contours import match_energy, match_pitch, median_and_range, movement
from evaluation.references import Reference, ReferenceTexts, spread_by_speaker
from evaluation.sound import Sound
from evaluation.speaker import Voice, Voices, cosine
from evaluation.spectrum import fine_structure, mel_cepstral_distortion
from evaluation.speech import Speech
from evaluation.words import character_errors, is_readable, speaking_rate, word_errors

VOICE_RECORDINGS = 20  # of each speaker, for the centroids


@dataclass(frozen=True, eq=False)
class Measured:
    """One clip with its numbers: keys of evaluation.summary, and the weights; what is not known is not there."""

    clip: Clip
    values: dict[str, float]
    transcript: str | None
    speech: Speech
    target_f0: np.ndarray | None  # (T,) the contour that it should follow, carried to its frames


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    run: Run
    clips: list[Measured] = field(default_factory=list)

    def of_variant(self, variant: str) -> list[Measured]:
        return [measured for measured in self.clips if measured.clip.variant == variant]


@dataclass(frozen=True, eq=False)
class _Heard:
    clip: Clip
    sound: Sound
    speech: Speech
    embedding: np.ndarray | None


def measure_voices(
    references: Sequence[Reference], analyser: Analyser, genders: Mapping[str, str], tick: Callable[[], object]
) -> Voices:
    """Reference voices of the recordings whose speaker is known; `tick` is called after each recording."""
    voices = []
    for speaker, own in spread_by_speaker(references, VOICE_RECORDINGS).items():
        for reference in own:
            sound = analyser.sound(reference.wav)
            detail = fine_structure(analyser.speech(sound))
            voices.append(Voice(speaker, sound.digest, analyser.embedding(sound), detail))
            tick()
    return Voices(voices, genders)


def measure_run(
    run: Run,
    analyser: Analyser,
    references: ReferenceTexts,
    voices: Voices,
    carry: str = "auto",
    tick: Callable[[], object] = lambda: None,
) -> MeasuredRun:
    """Measure every clip of a run; `tick` is called after each.

    The contour that a clip should follow is a's where the run has a, else that of a recording of the text. Energy is
    compared with b's, else with the recording's.

    Raises:
        InputError: a file cannot be read, or `carry` is "phones" and phones are not known.
    """
    measured = MeasuredRun(run)
    for clips in _by_sentence(run.clips):
        heard = {clip.variant: _hear(clip, analyser) for clip in clips}
        for each in heard.values():
            measured.clips.append(_measure(each, heard, analyser, references, voices, carry))
            tick()
    return measured


def _by_sentence(clips: Sequence[Clip]) -> Iterator[list[Clip]]:
    sentences = defaultdict(list)
    for clip in clips:
        sentences[clip.index].append(clip)
    yield from sentences.values()


def _hear(clip: Clip, analyser: Analyser) -> _Heard:
    sound = analyser.sound(clip.wav)
    return _Heard(clip, sound, analyser.speech(sound, clip.phones), analyser.embedding(sound))


def _reference(clip: Clip, references: ReferenceTexts) -> Reference | None:
    """Named like the clip, or like its text, of which a run of two styles has several clips."""
    for stem in (Path(clip.wav).stem, *([f"{clip.index:04d}"] if clip.variant else [])):
        if found := references.find(clip.text, stem, clip.speaker, clip.emotion):
            return found
    return None


def _measure(
    heard: _Heard,
    variants: Mapping[str, _Heard],
    analyser: Analyser,
    references: ReferenceTexts,
    voices: Voices,
    carry: str,
) -> Measured:
    clip, speech = heard.clip, heard.speech
    reference = _reference(clip, references)
    recording = None if reference is None else analyser.recording(reference.wav)
    transcript = analyser.transcript(heard.sound)
    values: dict[str, float | None] = {
        "mos": analyser.mos(heard.sound),
        "nfe": clip.nfe,
        "rtf": clip.rtf,
        "seconds": heard.sound.seconds,
        "energy": float(speech.energy_db[speech.active].mean()),
    }
    spelt = clip.spelt and is_readable(clip.text)  # else nobody has written words that could be heard or counted
    if spelt:
        values["rate"] = speaking_rate(clip.text, speech, analyser.audio_params)
        values |= _words(transcript, clip.text)
    values["f0_median"], values["f0_range"] = median_and_range(speech.f0)
    values |= _speaker(heard, voices, variants)
    values |= _detail(speech, voices.fine_structure(clip.speaker))
    try:
        target_f0 = _target_f0(heard, variants, recording, carry)
        values |= _pitch(speech.f0, target_f0)
        values |= _against_styles(speech, variants, carry)
        values |= _against_recording(speech, recording, "b" in variants, carry)
    except ValueError as error:
        raise InputError(f"{clip.wav}: {error}") from error
    if recording is not None and spelt:
        rate = speaking_rate(clip.text, recording, analyser.audio_params)
        values["rate_ratio"] = values["rate"] / rate if rate > 0 else None  # "Shh!" has no syllable
    known = {key: float(value) for key, value in values.items() if value is not None and math.isfinite(value)}
    return Measured(clip, known, transcript, speech, target_f0)


def _words(transcript: str | None, text: str) -> dict[str, float]:
    if transcript is None:
        return {}
    words, characters = word_errors(transcript, text), character_errors(transcript, text)
    return {"wer": words.rate, "words": words.length, "cer": characters.rate, "characters": characters.length}


def _speaker(heard: _Heard, voices: Voices, variants: Mapping[str, _Heard]) -> dict[str, float]:
    embedding, speaker = heard.embedding, heard.clip.speaker
    if embedding is None:
        return {}
    values = {f"cosine_{name}": cosine(embedding, variants[name].embedding) for name in ("a", "b") if name in variants}
    digest = heard.sound.digest
    centroids = voices.centroids(without=digest)
    if speaker in centroids:
        values["speaker_cosine"] = cosine(embedding, centroids[speaker])
        if len(centroids) > 1:  # of one the nearest is always that
            values["speaker_right"] = float(voices.nearest_speaker(embedding, without=digest) == speaker)
    gender = None if speaker is None else voices.gender_of(speaker)
    perceived = voices.perceived_gender(embedding, without=digest)
    if gender is not None and perceived is not None:
        values["gender_right"] = float(gender == perceived)
    return values


def _detail(speech: Speech, usual: tuple[float, float] | None) -> dict[str, float]:
    if usual is None or min(usual) <= 0:  # recordings of silence have none
        return {}
    vertical, horizontal = fine_structure(speech)
    return {"fine_vertical": vertical / usual[0], "fine_horizontal": horizontal / usual[1]}


def _target_f0(
    heard: _Heard, variants: Mapping[str, _Heard], recording: Speech | None, carry: str
) -> np.ndarray | None:
    source = variants["a"].speech if "a" in variants else recording
    if source is None:
        return None
    if source is heard.speech:
        return source.f0
    return carry_f0(source.f0, positions(source, heard.speech, carry))


def _pitch(f0: np.ndarray, target: np.ndarray | None) -> dict[str, float]:
    if target is None:
        return {}
    absolute, normalised = match_pitch(f0, target), match_pitch(f0, target, normalised=True)
    return {
        "f0_rmse": absolute.rmse,
        "f0_rmse_norm": normalised.rmse,
        "f0_correlation": absolute.correlation,
        "f0_gross": absolute.gross,
        "f0_gross_norm": normalised.gross,
        "f0_voicing": absolute.voicing_error,
        "f0_frame": absolute.frame_error,
        "f0_frame_norm": normalised.frame_error,
    }


def _against_styles(speech: Speech, variants: Mapping[str, _Heard], carry: str) -> dict[str, float]:
    """Where a clip stands between a and b."""
    if not {"a", "b"} <= variants.keys():
        return {}
    a, b = variants["a"].speech, variants["b"].speech
    from_a, from_b = (positions(source, speech, carry) for source in (a, b))
    a_f0, b_f0 = carry_f0(a.f0, from_a), carry_f0(b.f0, from_b)
    energy = match_energy(speech.energy_db, carry_values(b.energy_db, from_b))
    return {
        "f0_movement": movement(speech.f0, b_f0, a_f0),
        "f0_correlation_b": match_pitch(speech.f0, b_f0).correlation,
        "energy_correlation": energy.correlation,
        "energy_rmse": energy.rmse,
    }


def _against_recording(speech: Speech, recording: Speech | None, has_b: bool, carry: str) -> dict[str, float]:
    if recording is None:
        return {}
    values = {"mcd": mel_cepstral_distortion(speech, recording)}
    if not has_b:
        carried = carry_values(recording.energy_db, positions(recording, speech, carry))
        energy = match_energy(speech.energy_db, carried)
        values |= {"energy_correlation": energy.correlation, "energy_rmse": energy.rmse}
    return values
