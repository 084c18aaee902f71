"""The judgement of clones, manners, melodies and pairs, on a tiny model with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from unseen.measuring import ATTRIBUTES, Judge, person
from unseen.references import UnseenVoice, judged_sentences, make_recordings

from data.audio import write_wav
from data.generator.voices import DEVELOPMENT_PACKS, PACKS, TEST_PACKS, unseen_voices
from data.mel import mel_spectrogram
from evaluation.speech import analyse
from params import Audio
from synthesis.synthesiser import Synthesiser
from tests.tiny_synthesiser import SPEAKERS, tiny_loaded, tiny_vocoder, voice_like

SENTENCES = ["One and two.", "Three small birds."]


class Ears:
    """Measures with the project's own features alone: voices are mean spectra, words are heard as they were said."""

    def speech(self, sound):
        return analyse(sound, Audio())

    def embedding(self, sound):
        mean = mel_spectrogram(sound.audio, Audio()).mean(1)
        return mean / np.linalg.norm(mean)

    def transcript(self, _):
        return SENTENCES[0]


@pytest.fixture(autouse=True)
def voiced(monkeypatch):
    """What a random model says has no pitch, and a pair needs one."""
    extract = "data.pitch.extract_f0"
    monkeypatch.setattr(extract, lambda audio, _: np.full(len(audio) // 256, 140.0, dtype=np.float32))


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> Judge:
    folder = tmp_path_factory.mktemp("unseen")

    def recorded(name: str, seconds: float, hz: float):
        write_wav(folder / f"{name}.wav", voice_like(seconds, hz), 22050)
        return folder / f"{name}.wav"

    voices = []
    for name, hz in (("low", 110.0), ("high", 220.0)):
        manners = tuple(recorded(f"{name}_{i}", 1.0 + 0.2 * i, hz * (1.2 + 0.1 * i)) for i in range(2))
        others = tuple(recorded(f"{name}_other{i}", 1.0, hz) for i in range(2))
        voices.append(UnseenVoice(name, recorded(name, 1.0, hz), manners, others, others))
    someone = person(["somebody", recorded("somebody", 1.0, 150), recorded("more", 1.0, 150), recorded("x", 1.0, 150)])
    synthesiser = Synthesiser(tiny_loaded(voice_channels=8), tiny_vocoder(), torch.device("cpu"))
    made = Judge(synthesiser, Ears(), voices, [someone], SENTENCES, folder / "out")
    made.named = {SPEAKERS[0]: np.eye(80)[0], SPEAKERS[1]: np.eye(80)[1]}
    return made


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_clones_are_told_beside_lookup_generator_and_named_voices(judge):
    header, _, *rows = cells(judge.clones())
    assert header == ["", "nearest", "cosine", "WER"]
    assert [row[0] for row in rows] == [
        "model", "lookup", "generator", "model of somebody", "lookup of somebody", "named voices",
    ]  # fmt: skip
    generator = rows[2]
    assert generator[1].startswith("1.000") and generator[2].startswith("1.000")  # the same recordings
    assert (judge.out / "model/low/0.wav").is_file()


def test_each_attribute_has_a_slope_and_a_correlation(judge):
    _, _, *rows = cells(judge.manners())
    assert [row[0] for row in rows] == list(ATTRIBUTES)
    level = [float(cell) for cell in rows[ATTRIBUTES.index("level, dB")][1:]]
    assert np.isfinite(level).all()


def test_pairs_and_melodies_have_their_rows(judge, monkeypatch):
    monkeypatch.setattr("unseen.measuring.PAIRS", 2)
    assert len(cells(judge.melodies())) == 3
    assert cells(judge.pairs())[0] == [
        "two recordings, frequency", "nearer to a's F0", "F0 movement", "nearest to b's voice",
    ]  # fmt: skip


def test_nothing_that_is_judged_was_learned_from():
    for development, packs in ((False, TEST_PACKS), (True, DEVELOPMENT_PACKS)):
        used = {pack for voice in unseen_voices(development) for pack in voice.packs}
        assert used <= set(packs) and not used & set(PACKS)
    assert not set(TEST_PACKS) & set(DEVELOPMENT_PACKS)


def test_the_judged_sentences_are_spread_and_the_references_say_others(tmp_path):
    held_out = [f"sentence number {i}" for i in range(100)]
    assert judged_sentences(held_out) == held_out[::10]
    with pytest.raises(Exception, match="--voice-packs"):
        next(iter(make_recordings(tmp_path, None, [*held_out, "a b c d e f g h i j k l"], False)))
