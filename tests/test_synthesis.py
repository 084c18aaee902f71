"""The Python interface: `load_model(path).synthesise(texts)` and its parts."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import synthesis
from common import device
from common.device import autocast_type, choose_device
from common.errors import InputError
from data.audio import write_wav
from data.filelist import TextLine
from model.checkpoint import unpack
from model.contour import carry_by_position
from model.style import StyleSource
from params import Train
from synthesis.options import Options, check_options
from synthesis.pieces import MAX_CHARS, PAUSE_SECONDS, SILENCE, split_text
from synthesis.plots import draw_result, plot_result
from synthesis.reference import read_reference, with_reference
from synthesis.report import Report
from synthesis.synthesiser import Synthesiser, load_model
from synthesis.voice import choose_embedding, choose_name
from tests.official_weights import random_state
from tests.tiny_synthesiser import (
    EMOTIONS,
    SPEAKERS,
    tiny_loaded,
    tiny_params,
    tiny_vocoder,
    voice_like,
    write_tiny_checkpoint,
    write_tiny_vocoder,
)

AUDIO = tiny_params().audio
HOP = AUDIO.hop_length
CPU = torch.device("cpu")
LONG = "The first sentence is here, and it goes on for a while. " * 4 + "Then comes the second; it is the last one."


@pytest.fixture(scope="module")
def speaker_box() -> Synthesiser:
    return Synthesiser(tiny_loaded(), tiny_vocoder(), CPU)


@pytest.fixture(scope="module")
def official_single() -> Synthesiser:
    return Synthesiser(unpack(random_state(1, 3)), tiny_vocoder(), CPU)


# ------------------------------------------------------------------- results


def test_the_public_names_are_there():
    assert synthesis.load_model is load_model and synthesis.Synthesiser is Synthesiser
    assert synthesis.Result.__name__ == "Result"
    with pytest.raises(AttributeError):
        synthesis.nothing  # noqa: B018


def test_a_result_holds_together(speaker_box):
    (result,) = speaker_box.synthesise(["Good night, Anna."], speaker="bert", emotion="angry", steps=2)
    assert (result.index, result.text, result.speaker, result.emotion) == (0, "Good night, Anna.", "bert", "angry")
    assert result.pieces == ("Good night, Anna.",)
    assert result.mel.shape == result.mu.shape == (80, result.frames) and result.frames > 5
    assert result.durations.sum() == result.frames and (result.durations >= 0).all()
    assert len(result.tokens) == len(result.durations) == len(result.word_of)
    assert result.words == ("good", "night", "anna")
    assert result.audio.dtype == np.float32 and result.audio.shape == (result.frames * HOP,)
    assert np.abs(result.audio).max() <= 1 and result.audio.std() > 0
    assert result.sample_rate == AUDIO.sample_rate and result.seconds == len(result.audio) / AUDIO.sample_rate
    assert result.nfe == 2
    assert result.mel_seconds > 0 and result.vocoder_seconds > 0
    assert result.rtf == pytest.approx((result.mel_seconds + result.vocoder_seconds) / result.seconds)


def test_mu_is_constant_over_each_token(speaker_box):
    (result,) = speaker_box.synthesise(["A bee."], steps=1)
    start = 0
    for duration in result.durations:
        stretch = result.mu[:, start : start + duration]
        assert np.allclose(stretch, stretch[:, :1], atol=1e-5)
        start += duration
    assert not np.allclose(result.mu[:, :1], result.mu)


def test_one_string_is_one_text_and_no_text_is_no_result(speaker_box):
    assert [result.text for result in speaker_box.synthesise("Hello", steps=1)] == ["Hello"]
    assert speaker_box.synthesise([], steps=1) == []


def test_the_same_seed_gives_the_same_samples_and_another_does_not(speaker_box):
    first, again, other = (speaker_box.synthesise(["Hello there."], steps=2, seed=s)[0].audio for s in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_text_does_not_depend_on_the_others_but_on_its_place(speaker_box):
    a = speaker_box.synthesise(["Hello.", "Good night."], steps=2)
    b = speaker_box.synthesise(["Something quite different, and longer.", "Good night."], steps=2)
    c = speaker_box.synthesise(["Good night.", "Good night."], steps=2)
    assert np.array_equal(a[1].audio, b[1].audio)
    assert np.array_equal(c[1].audio, b[1].audio) and not np.array_equal(c[0].audio, c[1].audio)


def test_a_line_keeps_its_index_when_it_is_spoken_alone(speaker_box):
    both = speaker_box.synthesise(["Hello.", "Good night."], steps=2)
    (alone,) = speaker_box.synthesise([TextLine(1, 9, "Good night.")], steps=2)
    assert alone.index == 1 and np.array_equal(alone.audio, both[1].audio)


def test_the_global_generator_is_neither_read_nor_moved(speaker_box):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = speaker_box.synthesise(["Hello there."], steps=2, sampler="ml-sde")[0].audio
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert np.array_equal(first, speaker_box.synthesise(["Hello there."], steps=2, sampler="ml-sde")[0].audio)


def test_each_comes_one_by_one_but_is_checked_at_once(speaker_box, monkeypatch):
    spoken = []
    decode = speaker_box.decode_piece
    monkeypatch.setattr(speaker_box, "decode_piece", lambda *a, **named: spoken.append(1) or decode(*a, **named))
    options = speaker_box.options(steps=1)
    results = speaker_box.synthesise_each(["One.", "Two."], options)
    assert next(results).text == "One." and len(spoken) == 1
    with pytest.raises(InputError, match="text 1: nothing to speak"):
        speaker_box.synthesise_each(["One.", "..."], options)
    assert len(spoken) == 1


# ------------------------------------------------------------------- options


def test_defaults_are_the_checkpoints(speaker_box):
    assert speaker_box.options() == Options(3, 2.0, 1.0, 1.0, 0, "edm-2m", named_steps=False)
    assert speaker_box.synthesise("Hello")[0].nfe == 3


def test_every_option_reaches_the_model(speaker_box):
    def speak(**options):
        return speaker_box.synthesise("Hello there.", **{"steps": 2, **options})[0]

    plain = speak()
    slow = speak(length_scale=2.0)
    assert slow.frames == pytest.approx(2 * plain.frames, abs=1)
    for change in ({"temperature": 0.5}, {"guidance_scale": 2.0}, {"sampler": "euler"}, {"steps": 4}):
        changed = speak(**change)
        assert np.array_equal(changed.durations, plain.durations) and not np.allclose(changed.mel, plain.mel), change
    assert speak(guidance_scale=2.0).nfe == 4


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("steps", (0, -1, 1.5, True, "3", 10**9)),
        ("temperature", (0, -1, float("nan"), float("inf"), "warm")),
        ("length_scale", (0, -1, 1e6, float("nan"), "long")),
        ("guidance_scale", (-1, float("inf"), "much")),
        ("seed", (-1, 2**64, 0.5, "x")),
        ("sampler", ("no such", 3)),
    ],
)
def test_nonsense_is_refused_in_one_line(speaker_box, name, bad):
    for value in bad:
        with pytest.raises(InputError, match=name) as caught:
            speaker_box.synthesise(["Hello."], **{name: value})
        assert "\n" not in str(caught.value)


def test_check_options_passes_what_was_not_given():
    check_options(steps=None, threads=None, seed=0)
    with pytest.raises(InputError, match="threads must be a whole number from 1 to 1024, not 0"):
        check_options(threads=0)


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="auto, cpu, cuda"):
        choose_device("tpu")


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(InputError, match="no usable GPU"):
        choose_device("cuda")


@pytest.mark.parametrize("multiplies", [True, False])
def test_training_takes_bfloat16_where_it_is_multiplied_in(monkeypatch, multiplies):
    cpu = torch.device("cpu")
    monkeypatch.setattr(device, "has_bfloat16", lambda _: multiplies)
    assert Train().precision == "auto"
    assert autocast_type("auto", cpu) is (torch.bfloat16 if multiplies else None)
    assert (autocast_type("bf16", cpu), autocast_type("fp32", cpu)) == (torch.bfloat16, None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_speaks_as_the_cpu_does(speaker_box):
    gpu = Synthesiser(tiny_loaded(), tiny_vocoder(), torch.device("cuda"))
    for ref in (None, (voice_like(1, 150), 22050)):
        ours, theirs = (box.synthesise("Hello there.", ref=ref, steps=2)[0] for box in (speaker_box, gpu))
        assert np.array_equal(ours.durations, theirs.durations)
        assert np.abs(ours.mel - theirs.mel).max() < 0.05


# -------------------------------------------------------- speakers, emotions


def test_names_ids_and_defaults(speaker_box):
    def who(**given):
        (result,) = speaker_box.synthesise("Hi", steps=1, **given)
        return result.speaker, result.emotion

    assert who() == ("anna", "neutral")
    assert who(speaker="bert", emotion="angry") == ("bert", "angry")
    assert who(speaker=1, emotion=0) == ("bert", "angry")
    assert who(speaker="1") == ("bert", "neutral")
    assert who(speaker="7") == ("7", "neutral")  # a name, not an id
    assert who(speaker=2)[0] == "7"


def test_speaker_and_emotion_change_the_voice(speaker_box):
    plain, other, angry = (
        speaker_box.synthesise("Hello there.", steps=2, **given)[0].mel
        for given in ({}, {"speaker": "bert"}, {"emotion": "angry"})
    )
    for mel in (other, angry):
        assert mel.shape != plain.shape or not np.allclose(mel, plain)


@pytest.mark.parametrize("unknown", ["carl", "3", "-1", "1.0", "", 3, -1, 1.0, True, "²", "9" * 30])
def test_an_unknown_speaker_gets_the_list(speaker_box, unknown):
    with pytest.raises(InputError, match=r"this model has anna, bert, 7$"):
        speaker_box.synthesise(["Hello."], speaker=unknown)


def test_an_unknown_emotion_gets_the_list(speaker_box):
    with pytest.raises(InputError, match="no emotion 'bored'; this model has angry, neutral"):
        speaker_box.synthesise(["Hello."], emotion="bored")


def test_without_neutral_the_first_emotion_is_the_default():
    loaded = dataclasses.replace(tiny_loaded(), emotions=("calm", "wild"))
    assert Synthesiser(loaded, tiny_vocoder(), CPU).synthesise("Hi", steps=1)[0].emotion == "calm"


def test_a_texts_own_speaker_and_emotion_win(speaker_box):
    lines = [TextLine(0, 1, "Hello.", "bert", "angry"), TextLine(1, 2, "Hello.")]
    own, common = speaker_box.synthesise(lines, speaker="7", steps=1)
    assert (own.speaker, own.emotion, common.speaker, common.emotion) == ("bert", "angry", "7", "neutral")
    assert np.array_equal(own.mel, speaker_box.synthesise("Hello.", speaker="bert", emotion="angry", steps=1)[0].mel)
    with pytest.raises(InputError, match="line 4: there is no speaker 'x'"):
        speaker_box.synthesise([TextLine(0, 4, "Hello.", "x")])


@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=5, unique=True), st.data())
@settings(deadline=None, max_examples=50)
def test_a_name_comes_before_an_id(names, data):
    at = data.draw(st.integers(0, len(names) - 1))
    assert choose_name("speaker", names[at], names).value.tolist() == [at]
    assert choose_name("speaker", at, names).name == names[at]
    digits = choose_name("speaker", str(at), names).name
    assert digits == (str(at) if str(at) in names else names[at])


def test_numbered_speakers_are_listed_as_a_range():
    with pytest.raises(InputError, match=r"this model has 0 to 246$"):
        choose_name("speaker", "247", [str(i) for i in range(247)])


def test_embeddings_stand_for_speakers_where_the_model_takes_them(tmp_path):
    box = Synthesiser(tiny_loaded(speaker_embedding_dim=4), tiny_vocoder(), CPU)
    vector = np.array([1.0, -1.0, 0.5, 2.0])
    np.save(tmp_path / "voice.npy", vector)
    from_array = box.synthesise("Hello.", speaker=vector, steps=1)[0]
    from_file = box.synthesise("Hello.", speaker=tmp_path / "voice.npy", steps=1)[0]
    other = box.synthesise("Hello.", speaker=-vector, steps=1)[0]
    assert np.array_equal(from_array.mel, from_file.mel)
    assert other.mel.shape != from_file.mel.shape or not np.allclose(other.mel, from_file.mel)
    (tmp_path / "text.npy").write_text("no array")
    for bad in (None, 0, "anna", tmp_path / "text.npy", np.ones(5), np.full(4, np.nan), np.array("x")):
        with pytest.raises(InputError, match=r"4 (finite )?numbers") as caught:
            box.synthesise("Hello.", speaker=bad)
        assert "\n" not in str(caught.value)
    assert choose_embedding("emotion", vector[None], 4).value.shape == (1, 4)


def test_a_list_whose_lines_all_name_their_embedding_needs_no_other(tmp_path):
    box = Synthesiser(tiny_loaded(speaker_embedding_dim=4), tiny_vocoder(), CPU)
    np.save(tmp_path / "voice.npy", np.ones(4))
    line = TextLine(0, 1, "Hello.", str(tmp_path / "voice.npy"))
    assert len(box.synthesise([line], steps=1)) == 1
    with pytest.raises(InputError, match="4 numbers"):
        box.synthesise([line, "Hello."], steps=1)


# ----------------------------------------------------------------- reference


def test_a_reference_gives_timbre_and_melody(speaker_box, tmp_path):
    write_wav(tmp_path / "low.wav", voice_like(1.0, 110), 22050)
    plain, low, high = (
        speaker_box.synthesise("Hello there.", ref=ref, steps=2)[0]
        for ref in (None, tmp_path / "low.wav", (voice_like(1.0, 220), 22050))
    )
    assert np.array_equal(plain.durations, low.durations) and np.array_equal(low.durations, high.durations)
    assert not np.allclose(plain.mel, low.mel) and not np.allclose(low.mel, high.mel)


def test_a_recording_at_another_rate_or_in_stereo_is_the_same_reference():
    one = read_reference((voice_like(1.0, 150), 22050), AUDIO)
    stereo = read_reference((np.stack([voice_like(1.0, 150)] * 2, 1), 22050), AUDIO)
    faster = read_reference((voice_like(1.0, 150, 44100), 44100), AUDIO)
    assert torch.allclose(one.log_f0, stereo.log_f0) and torch.allclose(one.mel, stereo.mel, atol=1e-4)
    assert len(one.log_f0) == len(faster.log_f0) and (one.log_f0 - faster.log_f0)[5:-5].abs().max() < 0.01


def test_whole_numbers_are_samples_of_their_range():
    audio = voice_like(1.0, 150)
    one = read_reference((audio, 22050), AUDIO)
    for kind in (np.int16, np.int32):
        other = read_reference(((audio * np.iinfo(kind).max).astype(kind), 22050), AUDIO)
        # The rest is silence but for rounding.
        assert torch.allclose(one.mel.clamp(min=-8), other.mel.clamp(min=-8), atol=0.05)


def test_the_melody_is_filled_and_the_mel_comes_from_where_the_voice_is():
    silence = np.zeros(2 * 22050, dtype=np.float32)
    voice = voice_like(1.0, 150)
    reference = read_reference((np.concatenate([silence, voice, silence]), 22050), AUDIO)
    # A quarter of a second of silence on both sides is kept.
    assert len(reference.log_f0) == reference.whole.shape[1] == pytest.approx(1.5 * 22050 / HOP, abs=4)
    assert torch.allclose(reference.log_f0[:20], reference.log_f0[0])  # held before the voice
    assert reference.log_f0[0].exp() == pytest.approx(150, rel=0.1)
    assert reference.log_f0[-1].exp() == pytest.approx(225, rel=0.1)
    assert reference.mel.shape == (80, 128)
    assert (reference.mel.max(0).values > -5).float().mean() > 0.6  # the second of voice is 86 of 128 frames


def test_silence_around_speech_changes_nothing_of_a_reference():
    voice, second = voice_like(1.5, 150), np.zeros(22050, dtype=np.float32)
    near, framed = (
        read_reference((np.concatenate([second[:beside], voice, second[:beside]]), 22050), AUDIO)
        for beside in (11008, 22016)  # multiples of the hop
    )
    torch.testing.assert_close(near.log_f0, framed.log_f0)
    torch.testing.assert_close(near.whole, framed.whole)


def test_the_style_of_a_reference_has_its_melody_at_the_texts_voicing(speaker_box):
    model = speaker_box.model
    style = StyleSource(speaker=torch.tensor([1]), emotion=torch.tensor([0]))
    encoded = speaker_box._front_end.encode("Hello there.")
    frames = model.spread(model.encode(*speaker_box.tensors(encoded), style))
    reference = read_reference((voice_like(1.0, 150), 22050), AUDIO)
    made = with_reference(style, reference, frames, model, {"melody"})
    length = int(frames.lengths[0])
    assert torch.allclose(made.log_f0[0, :length], carry_by_position(reference.log_f0, length))
    assert made.log_f0.shape == made.voicing.shape == frames.voicing.shape
    assert torch.equal(made.voicing, (frames.voicing > 0.5).float())
    assert made.contour_lengths.tolist() == [length]
    assert torch.allclose(made.reference_mel[0] * model.mel_std + model.mel_mean, reference.mel, atol=1e-4)
    assert made.reference_lengths.tolist() == [reference.mel.shape[1]]
    assert made.energy is None and made.speaker is style.speaker and made.emotion is style.emotion


def test_a_texts_own_reference_wins(speaker_box, tmp_path):
    write_wav(tmp_path / "own.wav", voice_like(1.0, 110), 22050)
    common = (voice_like(1.0, 220), 22050)
    (own,) = speaker_box.synthesise([TextLine(0, 1, "Hello.", ref=tmp_path / "own.wav")], ref=common, steps=1)
    (same,) = speaker_box.synthesise("Hello.", ref=tmp_path / "own.wav", steps=1)
    assert np.array_equal(own.mel, same.mel)


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        ((voice_like(0.15, 150), 22050), "lasts 0.15 s"),
        ((np.zeros(61 * 22050, dtype=np.float32), 22050), "lasts 61.00 s"),
        ((np.zeros(22050, dtype=np.float32), 22050), "no voiced frame"),
        ((np.random.default_rng(0).normal(0, 0.1, 22050), 22050), "no voiced frame"),
        ((np.full(22050, np.nan), 22050), "finite"),
        ((np.zeros(0), 22050), "finite samples"),
        ((np.zeros((3, 3, 3)), 22050), "finite samples"),
        ((voice_like(1, 150), 0), "rate in Hz"),
        ("nowhere.wav", "no such audio file"),
        (("nowhere.wav", "elsewhere.wav"), "hears no voices"),
        (voice_like(1, 150), "a recording is a file, or samples"),
        ((voice_like(1, 150), "22050"), "a recording is a file, or samples"),
        ((voice_like(1, 150), None), "a recording is a file, or samples"),
        ((np.zeros(22050, dtype=np.uint8), 22050), "samples are uint8"),
    ],
)
def test_references_that_cannot_be_used(speaker_box, recording, message):
    with pytest.raises(InputError, match=message) as caught:
        speaker_box.synthesise(["Hello."], ref=recording)
    assert "\n" not in str(caught.value)


# --------------------------------------------------------------------- pieces


def test_a_long_text_is_spoken_in_pieces_with_silence_between(speaker_box):
    assert len(LONG) > MAX_CHARS
    (result,) = speaker_box.synthesise([LONG], steps=1)
    assert result.pieces == tuple(split_text(LONG)) and len(result.pieces) == 5
    pause = round(PAUSE_SECONDS * AUDIO.sample_rate / HOP)
    assert result.frames * HOP == len(result.audio) and result.durations.sum() == result.frames
    assert result.nfe == 5
    silent = (result.mel == np.float32(SILENCE)).all(0)
    assert silent.sum() == 4 * pause
    assert not result.audio.reshape(-1, HOP)[silent].any()
    assert len(result.tokens) == len(result.word_of) == len(result.durations)
    assert [w.strip(",.;") for w in LONG.lower().split()] == list(result.words)
    by_word = [result.words[i] for i in result.word_of if i >= 0]
    assert list(dict.fromkeys(by_word)) == list(dict.fromkeys(result.words))
    assert sorted(set(result.word_of)) == list(range(-1, len(result.words)))


def test_a_short_text_is_one_piece_however_many_its_sentences():
    assert split_text("One. Two. Three.") == ["One. Two. Three."]


def test_pieces_have_noise_of_their_own(speaker_box):
    (result,) = speaker_box.synthesise([LONG], steps=1)
    pause = round(PAUSE_SECONDS * AUDIO.sample_rate / HOP)
    at = np.nonzero((result.mel == np.float32(SILENCE)).all(0))[0]
    first, second = result.mel[:, : at[0]], result.mel[:, at[pause - 1] + 1 : at[pause]]
    assert first.shape == second.shape and not np.allclose(first, second)  # the same sentence twice


# ------------------------------------------------------- checkpoints, official


def test_load_model_speaks_as_the_model_it_was_written_from(speaker_box, tmp_path):
    path, vocoder = write_tiny_checkpoint(tmp_path / "tiny.pt"), write_tiny_vocoder(tmp_path / "vocoder")
    loaded = load_model(path, vocoder=vocoder, device="cpu")
    assert (loaded.speakers, loaded.emotions, loaded.step) == (SPEAKERS, EMOTIONS, 5)
    ours, theirs = (box.synthesise("Hello.", steps=2)[0].audio for box in (speaker_box, loaded))
    assert np.allclose(ours, theirs, atol=1e-5)


def test_files_that_are_no_checkpoint(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "foreign.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    for name in ("foreign.pt", "text.pt", "missing.pt"):
        with pytest.raises(InputError, match=name) as caught:
            load_model(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_vocoder_for_another_mel_is_refused(tmp_path):
    path, vocoder = write_tiny_checkpoint(tmp_path / "tiny.pt"), write_tiny_vocoder(tmp_path / "vocoder")
    config = json.loads((tmp_path / "vocoder" / "config.json").read_text())
    (tmp_path / "vocoder" / "config.json").write_text(json.dumps({**config, "sampling_rate": 16000}))
    with pytest.raises(InputError, match="16000 Hz"):
        load_model(path, vocoder=vocoder, device="cpu")


def test_weights_that_are_not_finite_are_reported():
    loaded = tiny_loaded()
    with torch.no_grad():
        loaded.model.decoder.estimator.conv_out.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="not finite"):
        Synthesiser(loaded, tiny_vocoder(), CPU).synthesise("Hello.", steps=1)


def test_the_official_single_speaker_model_speaks(official_single):
    assert official_single.options() == Options(
        10, 1.5, 1.0, 1.0, 0, "euler", named_steps=False
    ) and not official_single.reads("emotion")
    (result,) = official_single.synthesise(["Hello friend"], steps=1)
    assert (result.speaker, result.emotion, result.nfe) == ("0", "neutral", 1)
    assert result.durations.sum() == result.frames
    assert any(token.startswith("@HH") for token in result.tokens)
    (slow,) = official_single.synthesise(["Hello friend"], steps=1, length_scale=1.5)
    assert slow.durations.sum() == slow.frames == pytest.approx(1.5 * result.frames, abs=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ref": (voice_like(1, 150), 22050)}, "takes no reference"),
        ({"guidance_scale": 2.0}, "cannot be guided"),
        ({"emotion": "angry"}, "this model has neutral"),
        ({"speaker": 1}, "this model has 0"),
    ],
)
def test_what_official_models_lack_is_said(official_single, given, message):
    with pytest.raises(InputError, match=message):
        official_single.synthesise(["Hello."], **given)


def test_the_official_multi_speaker_model_has_speakers_by_number():
    box = Synthesiser(unpack(random_state(247, 4)), tiny_vocoder(), CPU)
    first, other = (box.synthesise("Hi.", speaker=s, steps=1)[0] for s in (None, "246"))
    assert (first.speaker, other.speaker) == ("0", "246")
    assert np.array_equal(first.mu, other.mu) and not np.allclose(first.mel, other.mel)
    with pytest.raises(InputError, match="this model has 0 to 246"):
        box.synthesise("Hi.", speaker=247)


# ------------------------------------------------------------ report, pictures


def test_the_report_has_rows_totals_and_settings(speaker_box, tmp_path):
    results = speaker_box.synthesise(["Hello.", LONG], steps=1)
    wavs = [tmp_path / "out" / "0000.wav", tmp_path / "out" / "sub" / "0001.wav"]
    growing = Report(tmp_path / "out" / "report.json", {"seed": 3})
    growing.write()
    assert not growing.path.exists()  # there is nothing to report yet
    for result, wav in zip(results, wavs, strict=True):
        growing.add(result, wav)
    growing.write()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["wav"] for row in report["results"]] == ["0000.wav", "sub/0001.wav"]
    for row, result in zip(report["results"], results, strict=True):
        for key in ("index", "text", "seconds", "frames", "nfe", "mel_seconds", "vocoder_seconds", "rtf"):
            assert row[key] == getattr(result, key), key
        assert (row["speaker"], row["emotion"], row["pieces"]) == ("anna", "neutral", len(result.pieces))
    assert report["totals"]["texts"] == 2 and report["totals"]["frames"] == sum(r.frames for r in results)
    assert report["settings"] == {"seed": 3} and report["date"].endswith("+00:00")
    (tmp_path / "file").touch()
    homeless = Report(tmp_path / "file" / "report.json", {})
    homeless.add(results[0], wavs[0])
    with pytest.raises(InputError, match="cannot be written"):
        homeless.write()


def test_a_picture_shows_the_times_of_the_report(speaker_box):
    (result,) = speaker_box.synthesise(["Good night, Anna."], steps=1)
    assert [word.name for word in result.word_times] == ["good", "night", "anna"]
    timed = [one for one in (*result.word_times, *result.phone_times) if one.end > one.start]
    drawn = [text for axes in draw_result(result, AUDIO).axes for text in axes.texts]
    assert [text.get_text() for text in drawn] == [one.name for one in timed]
    assert [text.get_position()[0] for text in drawn] == pytest.approx([(one.start + one.end) / 2 for one in timed])


def test_a_picture_is_written_without_a_display(speaker_box, tmp_path):
    import matplotlib.image

    (result,) = speaker_box.synthesise(["Good night, Anna."], steps=1)
    plot_result(tmp_path / "a.png", result, AUDIO)
    picture = matplotlib.image.imread(tmp_path / "a.png")
    assert picture.shape[0] > 400 and picture.shape[1] >= 900 and picture.std() > 0.1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        plot_result(tmp_path / "file" / "a.png", result, AUDIO)
