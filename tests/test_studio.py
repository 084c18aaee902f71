"""The studio without its page: what is asked, spoken, shaped and kept."""

from __future__ import annotations

import io
import json
import os
import shlex
import threading
import time
import zipfile
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st

import inference
from common.errors import InputError
from evaluation.clips import read_run
from model.interpolation import KINDS, make_kind
from params import Audio, Interpolation
from studio import main, parts
from studio.pair import SWEEP, kind_of, settings_of, speak_pair, sweep
from studio.session import MOST_RESULTS, VISIT_ENDED, Session
from studio.shape import UNSHAPED, Shape, WordShape, read_shape, with_words_pitch
from studio.take import Performance, speak
from studio.turns import Turns
from studio.wish import MOST_CHARACTERS, Style, Wish, read_text
from synthesis import load_model
from synthesis.contour_file import read_contour
from synthesis.parts import PARTS
from text.prosody import NEUTRAL, Prosody
from text.symbols import PAUSE

from .browser import free_port
from .soak import resident_mb, texts
from .tiny_synthesiser import voice_like, write_tiny_checkpoint, write_tiny_files

TEXT = "Well, this is 23. Good evening, Dr. Smith."
ANNA, BERT = Style("anna", "neutral"), Style("bert", "angry")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return write_tiny_files(tmp_path_factory.mktemp("studio"), "One.")


@pytest.fixture(scope="module")
def synthesiser(desk):
    return load_model(desk.checkpoint, desk.vocoder, "cpu", precision="auto")


@pytest.fixture
def session(synthesiser, desk, tmp_path):
    return Session(tmp_path, synthesiser, str(desk.checkpoint))


@pytest.fixture(scope="module")
def take(synthesiser):
    return speak(synthesiser, Wish(TEXT, ANNA, seed=4))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "mine.wav"
    soundfile.write(path, voice_like(1.0, 140), 22050)
    return path


def shaped(take, **words: WordShape) -> Shape:
    """Words by their position, `w1=WordShape(...)`."""
    return Shape(tuple(words.get(f"w{i}", WordShape()) for i in range(len(take.result.words))))


# ------------------------------------------------------------------ what is asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no text"),
        (" \n\t ", "no text"),
        ("a" * (MOST_CHARACTERS + 1), "more than 1000"),
        ("x" * 2**21, "2097152 characters"),
        ("Hello <script>alert(1)</script>", "the tag <script>"),
        ("<b>bold</b> words", "the tag <b>"),
        ("<!-- a comment --> words", "the tag <!-- a comment -->"),
    ],
)
def test_a_text_that_cannot_be_spoken_is_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        Wish(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@given(st.text(max_size=200))
@example("|")
def test_any_text_becomes_one_line_or_is_refused(text):
    try:
        line = read_text(text)
    except InputError as error:
        assert str(error).splitlines() == [str(error)]
        return
    assert line == line.strip() and len(line.splitlines()) <= 1 and line


def test_signs_that_are_no_tags_stay(synthesiser):
    assert read_text("if a < b\nand b > c") == "if a < b and b > c"
    assert read_text("one | two") == "one two"  # | ends a column in a file of texts
    assert read_text("<speak>one  <break/> two</speak>") == "<speak>one <break/> two</speak>"


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 101}, {"temperature": -1}, {"seed": -1}, {"steps": 1.5}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Wish("One.", **wrong)


def test_a_video_is_no_recording(tmp_path):
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(5000))
    with pytest.raises(InputError, match=r"^clip\.mp4 cannot be read as audio; give wav"):
        Wish("One.", Style(recordings=(video,)))


def test_a_recording_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("studio.wish.MOST_UPLOAD_BYTES", 1000)
    large = tmp_path / "long.wav"
    large.write_bytes(bytes(2000))
    with pytest.raises(InputError, match="cut it"):
        Wish("One.", Style(recordings=(large,)))


# ---------------------------------------------------------------------- speaking


def test_a_take_is_what_the_api_streams(synthesiser, take):
    options = synthesiser.options(seed=4)
    streamed = synthesiser.stream([TEXT], options, speaker="anna", emotion="neutral")
    np.testing.assert_allclose(take.result.audio, np.concatenate([part.audio for part in streamed]), atol=1e-5)
    assert len(take.melody) == take.result.frames and (take.melody > 0).all()


def test_sentences_come_one_by_one(synthesiser):
    performance = Performance(synthesiser, Wish(TEXT, ANNA, seed=4))
    sentences = iter(performance)
    first = next(sentences)
    assert (first.number, first.count) == (0, 2) and performance.take is None
    rest = [sentence.audio for sentence in sentences]
    assert len(np.concatenate([first.audio, *rest])) == len(performance.take.result.audio)


def test_a_recording_sets_the_melody(synthesiser, recording, take):
    heard = speak(synthesiser, Wish(TEXT, Style("anna", "neutral", (recording,)), seed=4))
    # it rises from 140 to 210 Hz, in each of the two sentences
    assert heard.melody.min() > 130 and heard.melody.max() < 225
    assert not np.array_equal(heard.result.audio, take.result.audio)


def test_what_would_last_too_long_ends_in_one_line(synthesiser, monkeypatch):
    monkeypatch.setattr("studio.take.MOST_SECONDS", 0.1)
    with pytest.raises(InputError, match="lasts more than"):
        speak(synthesiser, Wish(TEXT, ANNA))


# ----------------------------------------------------------------------- shaping


def test_no_change_is_the_same_audio(synthesiser, take):
    again = speak(synthesiser, take.wish, shaped(take), take)
    assert np.array_equal(again.result.audio, take.result.audio)


def test_a_words_pitch_moves_its_melody_and_no_other(synthesiser, take):
    higher = speak(synthesiser, take.wish, shaped(take, w3=WordShape(pitch=3)), take)
    moved = 12 * np.log2(higher.melody / take.melody)
    inside = take.word_at == 3
    marks = np.repeat([token in (",", ".", PAUSE) for token in take.result.tokens], take.result.durations)
    assert np.array_equal(higher.result.durations, take.result.durations)
    assert moved[inside & ~marks].min() > 2.9 and moved[inside].max() < 3.1
    assert abs(moved[~inside]).max() < 1e-4


def test_a_words_length_changes_it_alone(synthesiser, take):
    longer = speak(synthesiser, take.wish, shaped(take, w3=WordShape(length=2)), take)
    before, after = take.result.word_times, longer.result.word_times
    ratio = [(b.end - b.start) / (a.end - a.start) for a, b in zip(before, after, strict=True)]
    assert ratio[3] == pytest.approx(2, abs=0.35)
    assert all(abs(share - 1) < 0.35 for i, share in enumerate(ratio) if i != 3)


def test_a_drawn_melody_is_what_the_decoder_reads(synthesiser, take):
    drawn = take.melody * 2 ** (2 / 12)
    heard = speak(synthesiser, take.wish, Shape(shaped(take).words, tuple(drawn)), take)
    assert heard.melody == pytest.approx(drawn, rel=1e-4)


def test_a_melody_drawn_over_markup_has_its_pitch_once(synthesiser, session):
    marked = "<speak>One <prosody pitch='+4st' range='150%'>bird</prosody> sings here.</speak>"
    take = speak(synthesiser, Wish(marked, ANNA, seed=4))
    drawn = np.where(take.word_at == 3, 300.0, take.melody)
    heard = speak(synthesiser, take.wish, Shape(drawn=tuple(drawn)), take)
    assert heard.melody == pytest.approx(drawn, rel=1e-4)
    assert session.keep_take(heard)[1].startswith("#")  # by command line it would be added to the contour


def test_a_drawn_melody_stays_where_it_is_after_a_break_between_sentences(synthesiser):
    marked = "<speak>One day.<break time='900ms'/> Two birds sing here.</speak>"
    take = speak(synthesiser, Wish(marked, ANNA, seed=4))
    drawn = np.where(take.word_at == 3, 300.0, 150.0)
    heard = speak(synthesiser, take.wish, Shape(shaped(take).words, tuple(drawn)), take)
    assert heard.result.frames == take.result.frames
    assert np.median(heard.melody[heard.word_at == 3]) == pytest.approx(300, rel=1e-3)
    assert np.median(heard.melody[heard.word_at == 2]) == pytest.approx(150, rel=1e-3)


def test_a_drawn_melody_stays_on_its_phones_when_words_change_length(synthesiser, take):
    marked = np.where(take.word_at == 3, 300.0, 150.0)
    words = shaped(take, w1=WordShape(length=2.5)).words
    heard = speak(synthesiser, take.wish, Shape(words, tuple(marked)), take)
    assert heard.result.frames > take.result.frames
    middle = [np.median(heard.melody[heard.word_at == word]) for word in range(len(words))]
    assert middle == pytest.approx([300.0 if word == 3 else 150.0 for word in range(len(words))], rel=0.01)


def test_words_pitch_comes_on_top_of_what_is_drawn(synthesiser, take):
    shape = Shape(shaped(take, w2=WordShape(pitch=-4)).words, tuple(np.full(take.result.frames, 200.0)))
    heard = speak(synthesiser, take.wish, shape, take)
    assert np.median(heard.melody[take.word_at == 2]) == pytest.approx(200 * 2 ** (-4 / 12), rel=1e-3)
    assert with_words_pitch(heard.melody, shape, heard.word_at, -1) == pytest.approx(200, rel=1e-3)


def test_what_a_page_sends_is_read_or_refused():
    words = [{"pitch": 1, "length": 1.5, "volume": -2}]
    assert read_shape({"words": words, "drawn": [100, 120.5]}, 1, 2) == Shape((WordShape(1, 1.5, -2),), (100.0, 120.5))
    for wrong in (
        {}, {"words": words}, {"words": [{"pitch": "x", "length": 1, "volume": 0}], "drawn": None},
        {"words": words, "drawn": [1.0, 2.0]}, {"words": words, "drawn": [100]}, {"words": [], "drawn": None},
        {"words": [{"pitch": float("nan"), "length": 1, "volume": 0}], "drawn": None}, {"words": 5, "drawn": None},
    ):  # fmt: skip
        with pytest.raises(InputError):
            read_shape(wrong, 1, 2)
    for wrong in (WordShape(length=0), WordShape(length=9), WordShape(pitch=99), WordShape(volume=50)):
        with pytest.raises(InputError):
            Shape((wrong,)).edits(NEUTRAL)


def test_a_melody_of_another_sentence_is_refused(synthesiser, take):
    with pytest.raises(InputError, match="another sentence"):
        speak(synthesiser, take.wish, Shape(shaped(take).words, (200.0,) * 7), take)


# --------------------------------------------------------------------- two styles


@pytest.mark.parametrize("name", KINDS)
def test_every_setting_of_a_kind_has_a_form(name):
    settings = settings_of(name, Interpolation())
    assert [setting.name for setting in settings] == [field.name for field in fields(KINDS[name])]
    for setting in settings:
        assert setting.form in ("choice", "some", "switch", "slider", "number", "text") and setting.help
        assert setting.form != "choice" or setting.default in setting.choices
        assert setting.form != "some" or set(setting.default) <= set(setting.choices)
    defaults = {setting.name: setting.default for setting in settings}
    assert kind_of(name, defaults, Interpolation()) == make_kind(name, Interpolation())


def test_settings_out_of_range_are_refused():
    with pytest.raises(InputError, match="weight must be"):
        kind_of("linear", {"weight": 2}, Interpolation())
    with pytest.raises(InputError, match="only the linear kind"):
        sweep(kind_of("temporal", {}, Interpolation()))


def test_a_pair_has_a_b_and_the_sweep(synthesiser):
    kinds = sweep(kind_of("linear", {}, Interpolation()))
    spoken = speak_pair(synthesiser, Wish("One two.", ANNA), BERT, kinds)
    assert list(spoken.results) == ["a", "b", *(f"ab_{weight:g}" for weight in SWEEP)]
    assert spoken.results["a"].speaker == "anna" and spoken.results["b"].speaker == "bert"
    with pytest.raises(InputError, match="same style"):
        speak_pair(synthesiser, Wish("One two.", ANNA), ANNA, kinds)


def test_whoever_leads_a_is_a(synthesiser):
    kind = kind_of("same-time", {}, Interpolation())
    spoken = speak_pair(synthesiser, Wish("One two.", ANNA), BERT, [kind], lead="b")
    assert spoken.results["a"].speaker == "anna" and spoken.results["ab"].speaker == "bert+anna"


# ----------------------------------------------------------------- command lines


def run_command(command: str, desk, folder, monkeypatch) -> None:
    """What a shell would do with `echo TEXT | python inference.py ...`, in the folder of the session's files."""
    words = shlex.split(command)
    bar = words.index("|")
    assert words[0] == "echo" and words[bar + 1 : bar + 3] == ["python", "inference.py"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(" ".join(words[1:bar]).encode() + b"\n")))
    assert inference.main([*words[bar + 3 :], "--vocoder", str(desk.vocoder), "--device", "cpu"]) == 0


def same_sound(one, other) -> bool:
    (a, _), (b, _) = (soundfile.read(path, dtype="int16") for path in (one, other))
    return len(a) == len(b) and np.abs(a.astype(int) - b.astype(int)).max() <= 1


def test_the_command_of_a_take_does_the_same(synthesiser, session, take, desk, recording, monkeypatch):
    wish = Wish(TEXT, Style("bert", "angry", (session.adopt(recording),)), steps=2, temperature=1.25, seed=9)
    shape = shaped(take, w1=WordShape(pitch=-2.5), w3=WordShape(1, 1.7, -6), w6=WordShape(length=0.5))
    wav, command = session.keep_take(speak(synthesiser, wish, shape))
    assert '<prosody pitch="-2.5st">this</prosody>' in command
    run_command(command, desk, wav.parent, monkeypatch)
    assert same_sound(wav, wav.parent / "out" / "0000.wav")


def test_the_command_of_a_drawn_melody_does_the_same(synthesiser, session, take, desk, monkeypatch):
    wish = Wish(TEXT, ANNA, Prosody(pitch=2, range=1.3, rate=0.9, volume=-3), seed=4)
    before = speak(synthesiser, wish)
    drawn = np.linspace(120, 260, before.result.frames)
    shape = Shape(shaped(take, w2=WordShape(3, 1.2, 2)).words, tuple(drawn))
    wav, command = session.keep_take(speak(synthesiser, wish, shape, before))
    assert "--contour 0000_contour.csv" in command and "--pitch-shift" not in command and "--speed=0.9" in command
    run_command(command, desk, wav.parent, monkeypatch)
    assert same_sound(wav, wav.parent / "out" / "0000.wav")


def test_the_command_has_every_slider(synthesiser, session, desk, monkeypatch):
    wish = Wish(TEXT, ANNA, Prosody(pitch=-2, range=0.5, rate=1.2, volume=3))
    wav, command = session.keep_take(speak(synthesiser, wish))
    run_command(command, desk, wav.parent, monkeypatch)
    assert same_sound(wav, wav.parent / "out" / "0000.wav")


@pytest.mark.parametrize(("kind", "lead"), [("linear", "a"), ("temporal", "a"), ("same-time", "b"), ("two-noise", "a")])
def test_the_command_of_a_pair_does_the_same(synthesiser, session, desk, kind, lead, monkeypatch):
    changed = {"linear": {"weight": 0.3}, "temporal": {"cross_word": 1}, "two-noise": {"join": "raw"}}
    asked = kind_of(kind, changed.get(kind, {}), Interpolation())
    wavs, command = session.keep_pair(speak_pair(synthesiser, Wish("One two.", ANNA, seed=3), BERT, [asked], lead))
    folder = wavs["ab"].parent
    run_command(command, desk, folder, monkeypatch)
    for ending, wav in wavs.items():
        assert same_sound(wav, folder / "out" / f"0000_{ending}.wav")


def test_a_shaped_markup_says_that_there_is_no_command(synthesiser, session):
    wish = Wish("<speak>One <break time='200ms'/> two.</speak>", ANNA)
    before = speak(synthesiser, wish)
    _, command = session.keep_take(speak(synthesiser, wish, shaped(before, w0=WordShape(pitch=2)), before))
    assert command.startswith("#")


# ------------------------------------------------------------ checkpoints that hear


@pytest.fixture(scope="module")
def hearing_desk(desk, tmp_path_factory):
    checkpoint = write_tiny_checkpoint(tmp_path_factory.mktemp("hearing") / "hears.pt", voice_channels=8)
    return SimpleNamespace(checkpoint=checkpoint, vocoder=desk.vocoder)


@pytest.fixture(scope="module")
def hearing(hearing_desk):
    return load_model(hearing_desk.checkpoint, hearing_desk.vocoder, "cpu", precision="auto")


@pytest.fixture
def hearing_session(hearing, hearing_desk, tmp_path):
    return Session(tmp_path, hearing, str(hearing_desk.checkpoint))


@pytest.fixture(scope="module")
def hearing_page(hearing, hearing_desk, tmp_path_factory):
    pytest.importorskip("gradio", reason="no gradio here: pip install -e .[studio]")
    from studio.page import Page

    return Page(hearing, str(hearing_desk.checkpoint), tmp_path_factory.mktemp("visits"))


@pytest.fixture(scope="module")
def other_recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "other.wav"
    soundfile.write(path, voice_like(1.2, 220), 22050)
    return path


def names_beside(take) -> dict[str, str]:
    """Speaker and emotion, as far as no recording gives them."""
    return {
        name: value for name, value, part in (("speaker", "bert", "voice"), ("emotion", "angry", "manner"))
        if part not in take
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("take", [("voice",), ("manner",), ("melody",), ("voice", "melody"), PARTS])
def test_each_choice_of_parts_is_the_apis_and_the_commands(
    hearing, hearing_session, hearing_desk, recording, other_recording, take, count, monkeypatch
):
    own = tuple(hearing_session.adopt(path) for path in (recording, other_recording)[:count])
    wish = Wish("One two.", Style(**names_beside(take), recordings=own, take=take), seed=2)
    wav, command = hearing_session.keep_take(speak(hearing, wish))
    (result,) = hearing.synthesise("One two.", ref=list(own), take=take, seed=2, **names_beside(take))
    assert np.array_equal(result.audio, hearing_session.take.result.audio)
    assert f"--take {','.join(take)}" in command
    run_command(command, hearing_desk, wav.parent, monkeypatch)
    assert same_sound(wav, wav.parent / "out" / "0000.wav")


def test_sliders_act_on_a_checkpoint_that_hears_and_the_command_has_them(
    hearing, hearing_session, hearing_desk, recording, monkeypatch
):
    style = Style(emotion="angry", recordings=(hearing_session.adopt(recording),), take=("voice", "melody"))
    plain = speak(hearing, Wish(TEXT, style))
    wav, command = hearing_session.keep_take(speak(hearing, Wish(TEXT, style, Prosody(-2, 0.5, 1.2, 3))))
    moved = hearing_session.take
    assert moved.result.seconds < plain.result.seconds
    spread = [np.ptp(np.log(take.melody)) for take in (moved, plain)]
    assert spread[0] < 0.7 * spread[1]
    run_command(command, hearing_desk, wav.parent, monkeypatch)
    assert same_sound(wav, wav.parent / "out" / "0000.wav")


def test_a_word_is_shaped_in_a_recorded_voice(hearing, recording):
    before = speak(hearing, Wish(TEXT, Style("anna", recordings=(recording,), take=("manner", "melody"))))
    higher = speak(hearing, before.wish, shaped(before, w3=WordShape(pitch=3)), before)
    moved = 12 * np.log2(higher.melody / before.melody)
    assert abs(moved[before.word_at != 3]).max() < 1e-3 < 2.9 < moved[before.word_at == 3].max() < 3.1


@pytest.mark.parametrize(
    ("take_a", "take_b", "settings"),
    [
        (PARTS, ("voice",), {"from_a": ["manner", "pitch"]}),
        (("melody",), ("voice", "manner"), {"from_a": ["voice"]}),
        (("voice", "melody"), None, {}),
    ],
)
def test_a_pair_of_recordings_is_what_the_command_speaks(
    hearing, hearing_session, hearing_desk, recording, other_recording, take_a, take_b, settings, monkeypatch
):
    ref_a, ref_b = (hearing_session.adopt(path) for path in (recording, other_recording))
    a = Style(**names_beside(take_a), recordings=(ref_a,), take=take_a)
    b = Style("7", "neutral")
    if take_b is not None:
        b = Style(**names_beside(take_b), recordings=(ref_b,), take=take_b)
    kind = kind_of("same-time", settings, Interpolation())
    assert kind.from_a == ",".join(settings.get("from_a", ["pitch"])[::-1])  # in the order of the choices
    spoken = speak_pair(hearing, Wish("One two.", a, seed=3), b, [kind])
    wavs, command = hearing_session.keep_pair(spoken)
    assert ("--take2" in command) == (take_b is not None) and ("--from-a" in command) == bool(settings)
    sources, _ = hearing_session.notes(a, b)
    assert [line[:2] for line in sources] == ["a:", "b:"]
    folder = wavs["ab"].parent
    run_command(command, hearing_desk, folder, monkeypatch)
    for ending, wav in wavs.items():
        assert same_sound(wav, folder / "out" / f"0000_{ending}.wav")


def test_what_comes_from_where_is_the_line_of_the_command(
    hearing, hearing_session, hearing_desk, recording, monkeypatch, capsys
):
    style = Style("bert", recordings=(hearing_session.adopt(recording),), take=("manner", "melody"))
    wav, command = hearing_session.keep_take(speak(hearing, Wish("One two.", style)))
    (source,), warnings = hearing_session.notes(style)
    run_command(command, hearing_desk, wav.parent, monkeypatch)
    said = capsys.readouterr().err
    assert f"note: {source}\n" in said
    assert warnings and all(f"warning: {warning}\n" in said for warning in warnings)


def test_too_many_recordings_are_refused(recording):
    with pytest.raises(InputError, match="there are 11 recordings, more than 10; leave some out"):
        Wish("One.", Style(recordings=(recording,) * 11))


def test_from_a_without_a_type_is_refused():
    with pytest.raises(InputError, match="from_a must be some of"):
        kind_of("same-time", {"from_a": []}, Interpolation())


# ---------------------------------------------------------------------- sessions


def test_a_download_is_a_run_that_evaluation_reads(synthesiser, session, take, tmp_path):
    with pytest.raises(InputError, match="nothing was spoken"):
        session.download()
    session.keep_take(take)
    kinds = sweep(kind_of("linear", {}, Interpolation()))
    session.keep_pair(speak_pair(synthesiser, Wish("One two.", ANNA), BERT, kinds))
    with zipfile.ZipFile(session.download()) as archive:
        archive.extractall(tmp_path / "there")
    run = read_run(tmp_path / "there" / "studio-run", Audio())
    assert [clip.index for clip in run.clips] == [0] + [1] * 7
    assert set(run.variants) == {"", "a", "b", *(f"{weight:g}" for weight in SWEEP)}
    contour = read_contour(tmp_path / "there" / "studio-run" / "0000_contour.csv")
    assert len(contour.hz) == take.result.frames
    assert (tmp_path / "there" / "studio-run" / "commands.txt").read_text().count("inference.py") == 2


def test_a_closed_session_leaves_nothing(session, take, tmp_path):
    session.keep_take(take)
    session.download()
    session.close()
    assert list(tmp_path.iterdir()) == [] and session.closed and session.take is None


def test_the_oldest_visit_ends_when_there_are_too_many(synthesiser, desk, tmp_path, monkeypatch):
    from studio import page

    monkeypatch.setattr(page, "MOST_VISITS", 2)
    studio = page.Page(synthesiser, str(desk.checkpoint), tmp_path)
    visits = [studio._visit() for _ in range(3)]
    assert [visit.closed for visit in visits] == [True, False, False]
    assert sorted(tmp_path.iterdir()) == sorted(visit.folder for visit in visits[1:])


def test_what_is_ready_after_its_visit_has_ended_is_not_kept(session, take, tmp_path):
    session.close()
    for late in (partial(session.keep_take, take), partial(session.keep_sentence, take.result.audio, 22050)):
        with pytest.raises(InputError, match=r"^this visit has ended"):
            late()
    assert list(tmp_path.iterdir()) == []


def test_a_session_keeps_the_last_results_and_no_sound_in_memory(session, take, monkeypatch):
    monkeypatch.setattr("studio.session.MOST_RESULTS", 3)
    for _ in range(5):
        session.keep_take(take)
    run = session.write_run()
    assert sorted(path.name for path in run.glob("*.wav")) == ["0002.wav", "0003.wav", "0004.wav"]
    assert [clip.index for clip in read_run(run, Audio()).clips] == [2, 3, 4]
    assert all(result.audio.strides == (0,) for results in session._kept.values() for result, _ in results)
    assert MOST_RESULTS >= 10


def test_the_last_pair_alone_can_be_measured(session, take, synthesiser):
    session.keep_take(take)
    kind = kind_of("same-time", {"mask": "harmonics"}, Interpolation())
    session.keep_pair(speak_pair(synthesiser, Wish("One two.", ANNA), BERT, [kind]))
    run = read_run(session.write_last_pair(), Audio())
    assert {clip.variant for clip in run.clips} == {"a", "b", "ab"} and run.mask(1) is not None


# ------------------------------------------------------------------------- turns


def test_turns_come_in_order():
    turns = Turns()
    first, second, third = turns.join(), turns.join(), turns.join()
    assert first.wait(0) and not second.wait(0.01) and third.ahead == 2
    with first:
        pass
    assert second.wait(0) and third.ahead == 1
    with third:
        assert not third.wait(0.01)
    with second:
        assert second.wait(0)


def test_a_turn_wakes_who_waits():
    turns = Turns()
    first, second = turns.join(), turns.join()
    woken = threading.Event()

    def wait() -> None:
        if second.wait(20):
            woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    with first:
        assert not woken.wait(0.05)
    thread.join(20)
    assert woken.is_set()


def test_an_end_waits_for_whoever_has_a_turn_and_gives_no_more():
    turns = Turns()
    first, second = turns.join(), turns.join()
    told, left = threading.Event(), threading.Event()

    def compute() -> None:
        with first:
            try:
                while True:
                    first.wait(0)
            finally:
                time.sleep(0.1)
                left.set()

    def wait() -> None:
        with second:
            second.wait(20)

    def until_told(work) -> None:
        with pytest.raises(InputError, match="was stopped"):
            work()
        told.set()

    threads = [threading.Thread(target=until_told, args=(work,)) for work in (compute, wait)]
    for thread in threads:
        thread.start()
    assert not told.wait(0.05)
    turns.end(20)
    assert left.is_set()
    for thread in threads:
        thread.join(20)
    assert told.is_set() and not any(thread.is_alive() for thread in threads)
    with pytest.raises(InputError, match="was stopped"):
        turns.join()


def test_too_many_are_turned_away():
    turns = Turns(most_waiting=2)
    tickets = [turns.join() for _ in range(3)]
    with pytest.raises(InputError, match="3 computations are waiting"):
        turns.join()
    with tickets[0]:
        pass
    turns.join()


def test_unshaped_asks_nothing():
    assert UNSHAPED.edits(NEUTRAL).neutral


# -------------------------------------------------------------------------- page


@pytest.fixture(scope="module")
def page(synthesiser, desk, tmp_path_factory):
    pytest.importorskip("gradio", reason="no gradio here: pip install -e .[studio]")
    from studio.page import Page

    return Page(synthesiser, str(desk.checkpoint), tmp_path_factory.mktemp("visits"))


def speak_on_page(
    page, session, text: str = "One two.", speaker: str = "anna", recording=None, more=None, taken=PARTS
) -> dict:
    """What the button does; the last update of every component."""
    seen: dict = {}
    style = (speaker, "neutral", recording, more, taken)
    for update in page._speak(session, text, *style, 0, 1, 1, 0, 2, 2.0, 0, True):
        seen |= update
    return seen


def test_the_page_answers_with_player_picture_and_editor(page):
    session = page._visit()
    seen = speak_on_page(page, session)
    assert "<audio" in seen[page.heard] and "<img" in seen[page.picture]
    assert [word["name"] for word in seen[page.shown]["words"]] == ["one", "two"]
    assert seen[page.command] == session.command_of(session.take)


def test_the_page_says_what_comes_from_where_and_what_is_wrong_with_a_recording(page, hearing_page, recording):
    for each, source in (
        (page, "melody, timbre of {}; voice of anna; manner: neutral"),
        (hearing_page, "voice, melody of {}; manner: neutral"),
    ):
        session = each._visit()
        seen = speak_on_page(each, session, recording=str(recording), taken=["melody", "voice"])
        name = session.take.wish.style.recordings[0].name
        assert f"<li>style: {source.format(name)}</li>" in seen[each.notes]
        assert f'<li class="warning">warning: {name}: short: ' in seen[each.notes]
        assert str(session.folder) not in seen[each.notes]
        assert speak_on_page(each, session)[each.notes] == ""
        report = json.loads((session.write_run() / "report.json").read_text())
        assert report["warnings"] and all(line.startswith(f"{name}: ") for line in report["warnings"])


def test_a_recording_of_which_nothing_is_taken_is_one_clear_line(hearing_page, recording):
    with pytest.raises(InputError, match="nothing of the recording is taken; tick"):
        speak_on_page(hearing_page, hearing_page._visit(), recording=str(recording), taken=[])


def test_names_that_a_recording_replaces_are_greyed_out(page):
    from studio.page import _names_in_use

    def usable(*given) -> list[bool]:
        return [update["interactive"] for update in _names_in_use(*given)]

    assert usable(None, None, list(PARTS)) == usable(None, [], list(PARTS)) == [True, True]
    assert usable("x.wav", None, ["voice", "melody"]) == [False, True]
    assert usable(None, ["x.wav"], ["manner"]) == [True, False]


def test_what_only_a_checkpoint_that_hears_can_take_is_shown_there_alone(page, hearing_page):
    for each, hears in ((page, False), (hearing_page, True)):
        for voice, manner, recording, more, taken in (each.style, each.style_a, each.style_b):
            assert (more.visible, taken.visible) == (hears, hears)
            assert voice.visible and manner.visible and recording.visible


def test_what_fails_because_a_visit_ended_is_said_so(page, capsys):
    def answer(session):
        session.close()
        yield {}
        session.take.result  # noqa: B018

    *_, last = page._guarded(answer, page.message, page._visit())
    assert VISIT_ENDED in last[page.message] and capsys.readouterr().err == ""


def test_a_checkpoint_that_takes_embeddings_from_files_is_refused(tmp_path, capsys):
    pytest.importorskip("gradio", reason="no gradio here: pip install -e .[studio]")
    checkpoint = write_tiny_checkpoint(tmp_path / "external.pt", speaker_embedding_dim=4)
    assert main(["--checkpoint", str(checkpoint), "--port", str(free_port())]) == 2
    assert "takes embeddings from files instead of names" in capsys.readouterr().err


def test_text_is_never_markup_of_the_page():
    nasty = "<img src=x onerror=alert(1)>\"'&"
    for made in (parts.status(nasty), parts.table([nasty], [[nasty]]), parts.link(Path(nasty), nasty, "x")):
        assert "<img" not in made and "onerror=alert(1)>" not in made


@pytest.mark.slow
def test_memory_does_not_grow_with_the_runs(tmp_path):
    """The default model, through the whole of what the button does, with another text each time."""
    pytest.importorskip("gradio", reason="no gradio here: pip install -e .[studio]")
    from studio.page import Page

    page = Page(load_model("checkpts/default.pt", precision="auto"), "checkpts/default.pt", tmp_path)
    session, speakers = page._visit(), page.synthesiser.speakers
    after = {}
    for run, text in enumerate(texts(100), 1):
        speak_on_page(page, session, text, speakers[run % len(speakers)])
        after[run] = resident_mb(os.getpid())
    print(f"{after[10]:.0f} MB after 10 runs, {after[100]:.0f} after 100, {max(after.values()):.0f} at most")
    assert after[100] < 1.1 * after[10], after
