"""Prosody edits, markup and pronunciations all the way through a tiny model, and on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from common.errors import BadLines, InputError, TextError
from data.checkpoint_file import write_checkpoint
from data.filelist import read_texts
from data.mel import DB_PER_UNIT, frame_energy
from inference import main
from model.checkpoint import pack, unpack
from model.cond_grad_tts import CondGradTTS
from model.interpolation import Linear
from model.units import SILENCE
from synthesis.contour_file import Contour
from synthesis.prosody_edits import NO_EDITS, ProsodyEdits
from synthesis.result import Result
from synthesis.synthesiser import Synthesiser
from synthesis.two_styles import speak_pairs
from tests.official_weights import random_state
from tests.test_markup import documents
from tests.tiny_synthesiser import EMOTIONS, SPEAKERS, tiny_loaded, tiny_params, tiny_vocoder, write_tiny_files
from text.prosody import NEUTRAL, Prosody
from text.symbols import SYMBOLS

CPU = torch.device("cpu")
TEXT = "Three small birds, and one cat."
WORDS = 6


@pytest.fixture(scope="module")
def box() -> Synthesiser:
    return Synthesiser(tiny_loaded(), tiny_vocoder(), CPU)


@pytest.fixture(scope="module")
def official() -> Synthesiser:
    return Synthesiser(unpack(random_state(1, 3)), tiny_vocoder(), CPU)


@pytest.fixture
def melodies(box, monkeypatch) -> list[torch.Tensor]:
    """The contours (T,) in log Hz with which the decoder is called."""
    found = []
    decode = box.model.decode

    def listening(frames, style, *rest, **named):
        found.append(box.model.complete(style, frames).log_f0[0, : int(frames.lengths[0])])
        return decode(frames, style, *rest, **named)

    monkeypatch.setattr(box.model, "decode", listening)
    return found


def speak(box: Synthesiser, text: str = TEXT, overall: Prosody = NEUTRAL, **named) -> Result:
    edits = named.pop("edits", ProsodyEdits(overall=overall))
    (result,) = box.synthesise([text], steps=1, edits=edits, **named)
    return result


def of_word(result: Result, word: int) -> np.ndarray:
    """Which frames belong to a word's own tokens, (T,)."""
    return np.repeat(np.array(result.word_of), result.durations) == word


def test_asking_nothing_changes_no_sample(box):
    plain = speak(box)
    for edits in (NO_EDITS, ProsodyEdits(words=(NEUTRAL,) * WORDS)):
        assert np.array_equal(speak(box, edits=edits).audio, plain.audio)
    assert np.array_equal(speak(box, f"<speak>{TEXT}</speak>").audio, plain.audio)


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.7])
def test_speed_divides_the_length_within_a_frame(box, rate: float):
    assert abs(speak(box, overall=Prosody(rate=rate)).frames - speak(box).frames / rate) <= 0.5 + 0.5 / rate


def test_speed_comes_on_top_of_the_length_scale(box):
    once = speak(box, overall=Prosody(rate=2)).durations
    assert np.array_equal(speak(box, overall=Prosody(rate=4), length_scale=2.0).durations, once)


@pytest.fixture
def voiced(box, monkeypatch) -> None:
    """Every frame of what the model speaks is voiced."""
    spread = box.model.spread
    monkeypatch.setattr(
        box.model, "spread", lambda *given: replace(frames := spread(*given), voicing=torch.ones_like(frames.voicing))
    )


def test_pitch_and_range_reach_the_decoder(box, melodies, voiced):
    for overall in (NEUTRAL, Prosody(pitch=2), Prosody(range=0)):
        speak(box, overall=overall)
    plain, shifted, flat, unchanged = melodies  # the last: what a changed range is heard beside
    assert torch.equal(unchanged, plain)
    assert torch.allclose(12 * (shifted - plain) / np.log(2), torch.tensor(2.0), atol=1e-4)
    assert flat.max() - flat.min() < 1e-5


def test_markup_of_one_word_changes_its_melody_alone(box, melodies):
    plain = speak(box)
    speak(box, "<speak>Three <prosody pitch='+2st'>small</prosody> birds, and one cat.</speak>")
    change = 12 * (melodies[1] - melodies[0]).numpy() / np.log(2)
    assert np.allclose(change[of_word(plain, 1)], 2, atol=1e-4)
    assert not change[of_word(plain, 0) | of_word(plain, 2) | of_word(plain, 4)].any()


def test_a_word_that_does_not_follow_is_asked_for_more(box, melodies, monkeypatch):
    """What is heard moves by half of what the decoder reads."""
    plain = speak(box)
    word, before = of_word(plain, 1), melodies[0].numpy()

    def heard(decoded, pitches):
        contour = melodies[0] if decoded.style.log_f0 is None else decoded.style.log_f0[0]
        return {1: np.exp((contour.numpy()[: len(before)] + before) / 2)[word]}

    monkeypatch.setattr(box, "_heard_words", heard)
    result = speak(box, "<speak>Three <prosody pitch='+2st'>small</prosody> birds, and one cat.</speak>")
    told = [12 * np.median((melody.numpy() - before)[word]) / np.log(2) for melody in melodies[1:]]
    assert told == pytest.approx([2, 0, 3, 3.5], abs=1e-3)
    assert result.nfe == 4  # evaluations that were made, one for each decoding


def test_a_range_that_does_not_follow_is_asked_for_more(box, melodies, voiced, monkeypatch):
    """What is heard is stretched by half of what the decoder reads."""
    plain = speak(box)
    before = melodies[0].numpy()[: len(plain.mel[0])]

    def heard(decoded, *_):
        contour = melodies[0] if decoded.style.log_f0 is None else decoded.style.log_f0[0]
        return np.tile(np.exp((contour.numpy()[: len(before)] + before) / 2), 9)  # enough frames to tell

    monkeypatch.setattr(box, "_heard", heard)
    result = speak(box, "Three small birds, and one cat.", Prosody(range=1.4))
    told = [float(np.ptp(melody.numpy()[: len(before)]) / np.ptp(before)) for melody in melodies[1:]]
    assert told == pytest.approx([1.4, 1.0, 1.8], abs=1e-3)
    assert result.nfe == 3


def test_a_range_in_a_range_is_told_no_more_than_there_is(box, monkeypatch):
    """What is heard hardly follows, so more than the bound of both together would be told."""
    told = edits_told(box, monkeypatch)
    monkeypatch.setattr(box, "_heard", lambda *_: np.tile(np.linspace(100, 101, 40), 9))
    speak(box, "<speak><prosody range='x-high'>One</prosody> cat.</speak>", Prosody(range=2))
    ranges = [edits.overall.range for edits in told]
    assert ranges[0] == 2 and max(ranges) == pytest.approx(4 / 1.8)


def edits_told(box: Synthesiser, monkeypatch: pytest.MonkeyPatch) -> list[ProsodyEdits]:
    """What every decoding of the box was told from here on."""
    told: list[ProsodyEdits] = []
    decode = box._decode_once

    def listening(request, piece, *rest):
        told.append(piece.edits)
        return decode(request, piece, *rest)

    monkeypatch.setattr(box, "_decode_once", listening)
    return told


@pytest.mark.parametrize(("overall", "word"), [(-3, 24), (3, -24), (-1, 23), (0, 24)])
def test_what_a_word_is_told_stays_within_bounds(box, monkeypatch, overall: float, word: float):
    monkeypatch.setattr(box, "_heard_words", lambda decoded, pitches: {0: np.full(9, 100 * 2 ** (word / 15))})
    monkeypatch.setattr("synthesis.word_pitch.BELIEVED", 99.0)
    told = edits_told(box, monkeypatch)
    text = f"<speak><prosody pitch='{word:+}st'>One</prosody> cat.</speak>"
    assert speak(box, text, Prosody(pitch=overall)).nfe == 4  # told more, twice, and refused nothing
    pitches = [edits.words[0].pitch for edits in told if edits.words]
    assert max(map(abs, pitches)) == 24 and all(abs(overall + pitch) <= 24 for pitch in pitches)


def test_pieces_beside_a_changed_word_keep_their_sound(box, voiced):
    text = "One cat. <break time='300ms'/> <prosody pitch='+2st'>Two</prosody> cats. <break time='300ms'/> Three."
    options = box.options(steps=1)
    parts = [list(box.stream([f"<speak>{line}</speak>"], options)) for line in (text, text.replace("+2st", "+0st"))]
    raised, plain = ([part.sentence.audio for part in streamed if part.sentence] for streamed in parts)
    assert np.array_equal(raised[0], plain[0]) and np.array_equal(raised[2], plain[2])
    assert not np.array_equal(raised[1], plain[1])


def test_volume_is_a_gain_of_the_mel_and_leaves_the_rest(box):
    plain, soft = speak(box), speak(box, overall=Prosody(volume=-6))
    loud = plain.mel.max(0) > SILENCE + 3
    change = (frame_energy(soft.mel) - frame_energy(plain.mel)) * DB_PER_UNIT
    assert loud.any() and np.allclose(change[loud], -6, atol=0.05)
    assert np.array_equal(plain.durations, soft.durations)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 2.0])
def test_a_break_lasts_what_it_says_and_is_silent(box, seconds: float):
    result = speak(box, f"<speak>Three small birds, <break time='{seconds}s'/>and one cat.</speak>")
    before, after = result.word_times[2:4]
    assert abs(after.start - before.end - seconds) <= result.frame_seconds
    inside = result.mel[:, round(before.end / result.frame_seconds) : round(after.start / result.frame_seconds)]
    assert inside.shape[1] == round(seconds / result.frame_seconds) and (inside == SILENCE).all()


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.3, 2.0])
@pytest.mark.parametrize("length_scale", [1.0, 3.0])
def test_a_break_between_two_voices_lasts_what_it_says(box, seconds: float, length_scale: float):
    text = f"<speak>One cat.<break time='{seconds}s'/><voice name='bert'>Two cats.</voice></speak>"
    result = speak(box, text, length_scale=length_scale)
    before, after = result.word_times[1:3]
    assert len(result.pieces) == 2 and abs(after.start - before.end - seconds) <= result.frame_seconds


def test_a_break_before_and_after_everything(box):
    plain = speak(box, "One cat.")
    result = speak(box, "<speak><break time='1s'/>One cat.<break time='500ms'/></speak>")
    frames = round(1 / result.frame_seconds)
    assert (result.mel[:, :frames] == SILENCE).all() and not result.audio[: frames * 256].any()
    assert abs(result.word_times[0].start - plain.word_times[0].start - 1) <= result.frame_seconds
    assert abs(result.seconds - result.word_times[-1].end - 0.5) <= result.frame_seconds


def test_a_contour_replaces_the_melody_at_its_times(box, melodies):
    contour = Contour((0.0, 0.1, 0.4), (100.0, 200.0, 150.0))
    result = speak(box, edits=ProsodyEdits(contour=contour))
    assert np.allclose(melodies[0].numpy(), contour.log_f0(result.frames, result.frame_seconds), atol=1e-5)


def test_the_time_of_a_contour_goes_on_through_the_pieces(box, melodies):
    contour = Contour((0.0, 3.0), (100.0, 200.0))
    text = "<speak>One cat. <break time='200ms'/><voice name='bert'>Two cats.</voice> Three.</speak>"
    result = speak(box, text, edits=ProsodyEdits(contour=contour))
    assert len(melodies) == 3
    whole = contour.log_f0(result.frames, result.frame_seconds)
    spoken = np.repeat(np.array([token != "<pause>" for token in result.tokens]), result.durations)
    assert np.allclose(torch.cat(melodies).numpy(), whole[spoken], atol=1e-4)


def test_a_shift_acts_on_the_contour_that_was_given(box, melodies):
    contour = Contour((0.0,), (100.0,))
    speak(box, edits=ProsodyEdits(overall=Prosody(pitch=12), contour=contour))
    assert torch.allclose(melodies[0].exp(), torch.tensor(200.0), rtol=1e-4)


def test_voices_of_markup_speak(box):
    result = speak(box, "<speak><voice name='bert'>One cat.</voice></speak>", speaker="anna")
    assert result.speaker == "bert"
    assert np.array_equal(result.audio, speak(box, "One cat.", speaker="bert").audio)
    both = speak(box, "<speak>One. <voice name='bert'>Two.</voice></speak>", speaker="anna")
    assert both.speaker == "anna+bert" and both.pieces == ("One.", "Two.")
    with pytest.raises(InputError, match="no speaker 'carl'; this model has anna, bert, 7"):
        speak(box, "<speak><voice name='carl'>One.</voice></speak>")


def test_a_voice_of_markup_is_never_a_file(tmp_path):
    vectors = Synthesiser(tiny_loaded(speaker_embedding_dim=3), tiny_vocoder(), CPU)
    np.save(tmp_path / "voice.npy", np.ones(3, dtype=np.float32))
    given = {"speaker": tmp_path / "voice.npy"}
    speak(vectors, "One.", **given)
    with pytest.raises(InputError, match="cannot name"):
        speak(vectors, f"<speak><voice name='{tmp_path / 'voice.npy'}'>One.</voice></speak>", **given)


def test_phones_and_a_lexicon_are_spoken_as_they_say(box):
    plain = speak(box, "A cat.")
    phones = speak(box, "AH0 / K AE1 T .", phones=True)
    assert phones.tokens == plain.tokens and np.array_equal(phones.audio, plain.audio)
    assert phones.text == "AH0 K AE1 T." and phones.given == "AH0 / K AE1 T ." and plain.given is None
    other = speak(box, "A cat.", lexicon={"cat": ("D", "AO1", "G")})
    assert np.array_equal(other.audio, speak(box, "AH0 / D AO1 G .", phones=True).audio)


def test_capitals_of_a_lexicon_keep_its_word_with_an_ending(box):
    lexicon = {"gif": ("JH", "IH1", "F")}
    said = speak(box, "GIF's GIF-based GIF, BBC-based.", lexicon=lexicon)
    assert said.tokens == speak(box, "gif's gif-based gif, BBC-based.", lexicon=lexicon).tokens
    assert said.words[:1] == ("gif's",)


def test_times_and_marks_of_a_text_in_pieces(box):
    result = speak(box, "<speak><mark name='a'/>One cat.<mark name='b'/> <voice name='bert'>Two.</voice></speak>")
    assert [one.name for one in result.word_times] == ["one", "cat", "two"]
    assert result.mark_times == [("a", 0.0), ("b", result.word_times[1].end)]
    assert result.word_times[2].start > result.word_times[1].end + 0.2
    assert all(0 <= one.start < one.end <= result.seconds for one in result.word_times)


def test_streaming_gives_the_same_pieces_and_silences(box):
    text = "<speak><break time='300ms'/>One cat. <break time='1s'/> Two. <prosody rate='50%'>Three.</prosody></speak>"
    options = box.options(steps=1)
    streamed = list(box.stream([text], options))
    joined = box.result(streamed[0].request, [part.sentence for part in streamed if part.sentence])
    assert np.array_equal(np.concatenate([part.audio for part in streamed]), joined.audio)
    assert sum(part.sentence is not None for part in streamed) == 3


def test_two_styles_have_the_same_edits(box, monkeypatch):
    monkeypatch.setattr("data.pitch.extract_f0", lambda audio, _: np.full(len(audio) // 256, 140.0, dtype=np.float32))
    small = "<prosody volume='-6dB' rate='50%'>small</prosody>"
    text = f"<speak>Three {small} birds,<break time='400ms'/> and one cat.</speak>"
    found = {}
    for name, given_text in (("plain", "Three small birds, and one cat."), ("marked", text)):
        a, b = (box.requests(given_text, speaker, None, None) for speaker in ("anna", "bert"))
        (found[name],) = speak_pairs(box, a, b, [Linear(weight=0.5)], box.options(steps=1))
    for run in (found["marked"].a, found["marked"].b, found["marked"].between[0]):
        before, after = run.word_times[2:4]
        assert abs(after.start - before.end - 0.4) <= run.frame_seconds
        silent = run.mel[:, round(before.end / run.frame_seconds) : round(after.start / run.frame_seconds)]
        assert (silent == SILENCE).all()
    lengths = [of_word(found[name].between[0], 1).sum() for name in ("plain", "marked")]
    assert abs(lengths[1] - 2 * lengths[0]) <= 2
    energies = [reading.measured.energy for reading in found["marked"].readings[0]]
    mels = [run.mel for run in (found["marked"].a, found["marked"].b)]
    inside = of_word(found["marked"].a, 1)
    level = (frame_energy(mels[0])[inside] - energies[0].numpy()[inside]) * DB_PER_UNIT
    assert np.median(level) == pytest.approx(-6, abs=0.1)  # what the blend reads has no level edit in it


def test_two_styles_refuse_a_third_voice(box):
    a, b = (box.requests("<speak><voice name='7'>One.</voice></speak>", name, None, None) for name in ("anna", "bert"))
    with pytest.raises(TextError, match="third"):
        list(speak_pairs(box, a, b, [Linear()], box.options(steps=1)))


def test_official_checkpoints_have_speed_and_volume(official):
    plain = speak(official, "One cat.")
    slow = speak(official, "One cat.", Prosody(rate=0.5))
    assert abs(slow.frames - 2 * plain.frames) <= 1
    soft = speak(official, "One cat.", Prosody(volume=-3))
    above = plain.mel > SILENCE + 3 / DB_PER_UNIT
    assert above.any() and np.allclose((soft.mel - plain.mel)[above], -3 / DB_PER_UNIT, atol=1e-4)
    for edits in (ProsodyEdits(overall=Prosody(pitch=1)), ProsodyEdits(pauses={0: 1.0})):
        with pytest.raises(InputError, match="speed and volume alone"):
            speak(official, "One cat.", edits=edits)
    with pytest.raises(InputError, match="plain texts"):
        speak(official, "<speak>One cat.</speak>")


SPOKEN = {"spoken": 0, "refused": 0}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def one_document(document: str) -> None:
    box = _tiny()
    bad_lines = BadLines()
    results = list(box.synthesise_each([document], box.options(steps=1), bad_lines=bad_lines))
    assert len(results) + len(bad_lines.messages) == 1
    assert all(message.splitlines() == [message] for message in bad_lines.messages)
    assert all(np.isfinite(result.audio).all() and len(result.word_times) for result in results)
    SPOKEN["spoken" if results else "refused"] += 1


def test_any_document_is_refused_in_one_line_or_spoken():
    one_document()
    assert min(SPOKEN.values()) >= 20, SPOKEN


_BOX: list[Synthesiser] = []


def _tiny() -> Synthesiser:
    """One for all examples."""
    if not _BOX:
        _BOX.append(Synthesiser(tiny_loaded(), tiny_vocoder(), CPU))
    return _BOX[0]


# ------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    texts = "One cat.\n<speak>Two | <mark name='m'/>cats.</speak>|bert|angry\n<speak>a <b/></speak>\na < b\n"
    return write_tiny_files(tmp_path_factory.mktemp("models"), texts)


@pytest.fixture
def run(files, tmp_path):
    def call(*more: object) -> int:
        named = ["-f", files.texts, "-c", files.checkpoint, "--vocoder", files.vocoder, "-t", 1, "--device", "cpu"]
        try:
            return main([*map(str, named), "-o", str(tmp_path / "out"), *map(str, more)])
        except SystemExit as ended:
            return ended.code

    return call


def test_a_file_of_texts_and_markup(run, tmp_path, capsys):
    assert run("--speed", ".5", "--pitch-shift", "+2", "--volume", "-3", "--pitch-range", "1.2") == 3
    assert "texts.txt:3: column 10: <b> is not known here" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["index"] for row in report["results"]] == [0, 1, 3]
    marked = report["results"][1]
    assert (marked["text"], marked["speaker"], marked["emotion"]) == ("Two | cats.", "bert", "angry")
    assert marked["given"] == "<speak>Two | <mark name='m'/>cats.</speak>"
    assert [word["word"] for word in marked["words"]] == ["two", "cats"]
    assert marked["words"][0]["start"] < marked["words"][0]["end"] <= marked["words"][1]["start"]
    assert [one["phone"] for one in marked["phones"] if one["word"] == 1] == ["K", "AE1", "T", "S"]
    assert marked["marks"] == [{"mark": "m", "time": marked["words"][0]["end"]}]
    assert "given" not in report["results"][0]
    wanted = {"speed": 0.5, "pitch_shift": 2.0, "volume": -3.0, "pitch_range": 1.2, "contour": None, "phones": False}
    assert wanted.items() <= report["settings"].items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--speed", "9"], "--speed: '9' is not a number from 0.25 to 4"),
        (["--pitch-shift", "nan"], "--pitch-shift: 'nan' is not a number from -24 to 24"),
        (["--volume", "50"], "--volume: '50' is not a number from -96 to 20"),
        (["--contour", "none.csv"], "none.csv: No such file"),
        (["--lexicon", "none.txt"], "none.txt: No such file"),
        (["--phones"], "no line that can be used"),
    ],
)
def test_what_cannot_be_used_is_one_line(run, files, tmp_path, capsys, options: list[str], message: str):
    (tmp_path / "texts.txt").write_text("hello there\n")
    assert run(*options, "-f", tmp_path / "texts.txt") == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_contour_and_lexicon_files(run, tmp_path):
    (tmp_path / "texts.txt").write_text("One SQL cat.\n")
    (tmp_path / "melody.csv").write_text("seconds,hz\n0,120\n1,180\n")
    (tmp_path / "lexicon.txt").write_text("sql  S IY1 K W AH0 L\n")
    given = ["--contour", tmp_path / "melody.csv", "--lexicon", tmp_path / "lexicon.txt", "-f", tmp_path / "texts.txt"]
    assert run(*given) == 0
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text())["results"]
    assert [one["phone"] for one in row["phones"] if one["word"] == 1] == ["S", "IY1", "K", "W", "AH0", "L"]


def test_list_needs_no_texts(files, capsys):
    assert main(["--list", "-c", str(files.checkpoint)]) == 0
    printed = capsys.readouterr().out
    for name in ("anna, bert, 7", "angry, neutral", "22050 Hz", "--pitch-shift", "markup"):
        assert name in printed


def test_list_of_an_official_checkpoint(tmp_path, capsys):
    torch.save(random_state(3, 3), tmp_path / "official.pt")
    assert main(["--list", "-c", str(tmp_path / "official.pt")]) == 0
    printed = capsys.readouterr().out
    assert "emotions" in printed and "none" in printed and "--speed, --volume" in printed
    assert "markup" not in printed


def test_list_of_a_model_without_attention(tmp_path, capsys):
    """Guidance, markup and emotions it has; a melody, and shares that differ from cell to cell, it has not."""
    given = replace(tiny_params(), estimator=replace(tiny_params().estimator, name="unet"))
    model = CondGradTTS(given, len(SYMBOLS), len(SPEAKERS), len(EMOTIONS))
    write_checkpoint(tmp_path / "unet.pt", pack(model, speakers=SPEAKERS, emotions=EMOTIONS, symbols=SYMBOLS, step=1))
    assert main(["--list", "-c", str(tmp_path / "unet.pt")]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    rows = {name.strip(): words.strip() for name, words in rows.items()}
    assert rows["guidance"] == "--guidance-scale" and "markup" in rows["texts"] and rows["emotions"] == "angry, neutral"
    assert rows["prosody"] == "--speed, --volume" and "recordings" not in rows
    assert rows["two styles"] == "--interp linear"


def test_texts_are_still_needed_without_list(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2 and "-f/--file is missing" in capsys.readouterr().err


def test_columns_of_markup_lines(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("<speak>a|b</speak>|anna|sad\n <speak>c</speak>\na|b\n<speak>open|x\n<speak>d</speak> e|anna\n")
    lines = read_texts(path)
    assert [(line.text, line.speaker, line.emotion) for line in lines] == [
        ("<speak>a|b</speak>", "anna", "sad"),
        ("<speak>c</speak>", None, None),
        ("a", "b", None),
        ("<speak>open|x", None, None),
        ("<speak>d</speak>e", "anna", None),
    ]
