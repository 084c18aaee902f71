"""Whatever is given: it is used, or it is one line that says what is wrong with it, and nothing is half done."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import evaluate
import inference
import prepare_data
import train_multi_speaker
from data.checkpoint_file import read_checkpoint
from data.wav_stream import WavStream
from synthesis.synthesiser import Synthesiser

from .odd_files import BAD_CHECKPOINTS, BAD_WAVS, USABLE_WAVS, write_checkpoints, write_wavs
from .tiny_corpus import write_corpus
from .tiny_synthesiser import tiny_vocoder, write_tiny_files
from .training_process import arguments

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> SimpleNamespace:
    """.wavs, .checkpoints by name; .corpus to train on; .models for inference."""
    folder = tmp_path_factory.mktemp("given")
    return SimpleNamespace(
        wavs=write_wavs(folder / "wavs"),
        checkpoints=write_checkpoints(folder / "checkpoints"),
        corpus=write_corpus(folder / "corpus"),
        models=write_tiny_files(folder, "Hello.\n"),
    )


def call(main, argv: list[str]) -> int:
    try:
        return main([str(argument) for argument in argv])
    except SystemExit as end:
        return end.code


@pytest.fixture
def speak(given, tmp_path):
    """Exit code of inference.py for a text file (its lines, or bytes), and more options."""

    def run(texts: str | bytes | Path, *more: object) -> int:
        if not isinstance(texts, Path):
            texts, content = tmp_path / "texts.txt", texts
            texts.write_bytes(content if isinstance(content, bytes) else content.encode())
        named = {"-f": texts, "-c": given.models.checkpoint, "--vocoder": given.models.vocoder, "-o": tmp_path / "out"}
        options = [part for pair in named.items() for part in pair]
        return call(inference.main, [*options, "-t", 1, "--device", "cpu", *more])

    return run


@pytest.fixture
def train(given, tmp_path, monkeypatch):
    """Exit code of train_multi_speaker.py, one step, with a training filelist (its lines, or bytes)."""

    def run(lines: str | bytes | Path | None, *more: object) -> int:
        argv = arguments(given.corpus, tmp_path / "log", steps=1, precision="fp32")
        if lines is not None:
            path = lines if isinstance(lines, Path) else tmp_path / "list.txt"
            if not isinstance(lines, Path):
                path.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
            argv.append(f"train.train_filelist={path}")
        with monkeypatch.context() as patch:
            patch.setattr("hifigan.load_vocoder", lambda *_, **__: tiny_vocoder())
            return call(train_multi_speaker.main, [*argv, *more])

    return run


def one_line(capsys) -> str:
    """The error, which is all there is but for progress bars."""
    lines = [line.split("\r")[-1] for line in capsys.readouterr().err.splitlines()]
    errors = [line for line in lines if line and not any(unit in line for unit in ("file/s", "?file", "it/s"))]
    assert len(errors) == 1 and errors[0].startswith("error: "), errors
    return errors[0]


def nothing_was_written(folder: Path) -> bool:
    return not [path for path in folder.rglob("*.pt")] and not list(folder.glob("out/*"))


def good_line(given) -> str:
    return f"{given.corpus / 'anna0.wav'}|One day.|anna\n"


# ------------------------------------------------------------------- the lists

LISTS = {
    "missing": (None, "No such file"),
    "a directory": ("directory", "Is a directory"),
    "empty": (b"", ""),
    "blank": (b"\n  \n\n", ""),
    "too many columns": (b"a|b|c|d|e\n", ":1: expected"),
    "an empty first column": (b"|anna\n", ":1: expected"),
    "Latin-1": (b"caf\xe9|x\n", ":1: byte 0xe9 is not UTF-8"),
    "a binary file": (bytes(range(128, 256)) * 4, "not UTF-8"),
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("script", ["speak", "train"])
def test_a_list_that_cannot_be_used(script, kind, request, tmp_path, capsys):
    run = request.getfixturevalue(script)
    content, words = LISTS[kind]
    named = {"missing": tmp_path / "nowhere.txt", "a directory": tmp_path}
    assert run(named.get(kind, content)) == 2
    message = one_line(capsys)
    assert words in message and str(tmp_path) in message
    assert nothing_was_written(tmp_path)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(speak, train, given, tmp_path, capsys):
    assert speak(b"\xef\xbb\xbfHello.\r\nGood night.\r\n") == 0
    assert len(list(tmp_path.glob("out/*.wav"))) == 2
    assert train(b"\xef\xbb\xbf" + good_line(given).replace("\n", "\r\n").encode()) == 0


# ---------------------------------------------------------------------- texts

BAD_TEXTS = {
    "empty": ("|anna", "expected `text`"),
    "punctuation only": ("?! ... --", "nothing to speak"),
    "emoji only": ("\U0001f600\U0001f680", "nothing to speak"),
    "another script": ("\u041f\u0440\u0438\u0432\u0435\u0442", "nothing to speak"),
    "control characters only": ("\x07\x1b\x00", "nothing to speak"),
    "unknown speaker": ("Hello.|nobody", "there is no speaker 'nobody'"),
    "unknown emotion": ("Hello.||bored", "there is no emotion 'bored'"),
}


@pytest.mark.parametrize("kind", BAD_TEXTS)
def test_a_text_that_cannot_be_spoken(speak, kind, tmp_path, capsys):
    line, words = BAD_TEXTS[kind]
    assert speak(f"{line}\n") == 2
    message = one_line(capsys)
    assert words in message and "texts.txt:1: " in message and nothing_was_written(tmp_path)


@pytest.mark.parametrize("kind", [name for name in BAD_TEXTS if not name.startswith("unknown")])
def test_a_text_that_cannot_be_trained_on(train, given, kind, tmp_path, capsys):
    line, words = BAD_TEXTS[kind]
    assert train(f"{given.corpus / 'anna0.wav'}|{line.split('|')[0]}\n") == 2
    message = one_line(capsys)
    assert ("expected" if kind == "empty" else words) in message and "list.txt:1: " in message
    assert nothing_was_written(tmp_path)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("1234567890", None),
        ("Hello \U0001f600 there \u041f", "2 characters that cannot be spoken are left out"),
        ("Hello\x07 there.", "1 characters that cannot be spoken are left out: '\\x07'"),
        ("caf\u00e9 na\u00efve \u2014 \u201cyes\u201d", None),
    ],
    ids=["digits only", "emoji and another script", "a control character", "accents"],
)
def test_a_text_that_can_be_spoken_all_the_same(speak, text, note, tmp_path, capsys):
    assert speak(f"{text}\n") == 0
    shown = capsys.readouterr().err
    assert (shown == "") if note is None else (f"texts.txt:1: {note}" in shown)
    assert (tmp_path / "out" / "0000.wav").stat().st_size > 5000


def test_ten_thousand_characters_are_spoken_in_pieces(speak, tmp_path, capsys):
    text = ("Many words make a long text, and " * 400)[:10_000]
    assert speak(f"{text}\n", "--length-scale", 0.1) == 0
    assert " pieces)" in capsys.readouterr().out and (tmp_path / "out" / "0000.wav").exists()


def test_ten_thousand_characters_are_too_many_for_a_short_recording(train, given, capsys):
    assert train(f"{given.corpus / 'anna0.wav'}|{'Many words. ' * 900}\n") == 2
    assert "tokens of text" in one_line(capsys)


# ----------------------------------------------------------------- recordings


@pytest.mark.parametrize("kind", [*BAD_WAVS, "short"])
@pytest.mark.parametrize("how", ["option", "column"])
def test_a_reference_that_cannot_be_used(speak, given, kind, how, tmp_path, capsys):
    wav = given.wavs[kind]
    code = speak("Hello.\n", "--ref", wav) if how == "option" else speak(f"Hello.|||{wav}\n")
    assert code == 2
    message = one_line(capsys)
    assert BAD_WAVS.get(kind, "lasts 0.10 s") in message and wav.name in message and nothing_was_written(tmp_path)
    assert how == "option" or "texts.txt:1: " in message


@pytest.mark.parametrize("kind", USABLE_WAVS)
def test_a_reference_that_can_be_used(speak, given, kind, tmp_path, capsys):
    assert speak("Hello.\n", "--ref", given.wavs[kind]) == 0
    note, shown = USABLE_WAVS[kind], capsys.readouterr().err.splitlines()
    shown = [line for line in shown if not line.startswith(("warning: ", "note: style: "))]
    assert shown == ([] if note is None else [f"note: {given.wavs[kind]}: {note}"])


@pytest.mark.parametrize("kind", [*BAD_WAVS, "short"])
def test_a_recording_that_cannot_be_trained_on(train, given, kind, tmp_path, capsys):
    wav = given.wavs[kind]
    assert train(f"{wav}|One day, two days.|anna\n") == 2
    message = one_line(capsys)
    words = BAD_WAVS.get(kind, "8 frames for")
    assert words in message and "list.txt:1: " in message and wav.name in message and nothing_was_written(tmp_path)


def test_recordings_of_every_format_can_be_trained_on(train, given, tmp_path, capsys):
    assert train("".join(f"{given.wavs[kind]}|One day.|anna\n" for kind in USABLE_WAVS)) == 0
    log = (tmp_path / "log" / "train.log").read_text()
    assert "1 of 6 new recordings have several channels, which are mixed down" in log
    assert "2 of 6 new recordings are resampled to 22050 Hz" in log


def test_recordings_of_a_folder_are_sorted_out(given, tmp_path, capsys):
    """prepare_data.py rejects what cannot be used and says why; that is its task, so its exit code is 0."""
    source = tmp_path / "source"
    source.mkdir()
    for number, wav in enumerate(given.wavs.values()):
        if wav.is_file():
            (source / f"{number}{wav.suffix}").symlink_to(wav)
            (source / f"{number}.txt").write_text(f"Day {number}.")
    (source / "latin.wav").symlink_to(given.wavs["float"])
    (source / "latin.txt").write_bytes(b"caf\xe9")
    out = tmp_path / "out"
    argv = ["folder", source, "--out", out, "--cache", tmp_path / "cache", "--valid", 1, "--min-seconds", 0.2]
    assert call(prepare_data.main, argv) == 0
    rejects = dict(line.split("\t") for line in (out / "rejects.txt").read_text().splitlines())
    numbers = {kind: str(number) for number, kind in enumerate(given.wavs)}
    reasons = {Path(path).stem: reason for path, reason in rejects.items()}
    expected = {**BAD_WAVS, "short": "shorter than 0.2 s", "an hour long": "longer than 15 s"}
    for kind, words in expected.items():
        if given.wavs[kind].is_file():
            assert words in reasons[numbers[kind]], kind
    assert "not UTF-8" in reasons["latin"]
    assert not {numbers[kind] for kind in USABLE_WAVS} & set(reasons)
    shown = capsys.readouterr().out
    assert "mixed down 1" in shown and "resampled 2" in shown


# ---------------------------------------------------------- steps, checkpoints


@pytest.mark.parametrize("steps", ["0", "-1", "1e9", "1000000000", "nan", "ten"])
def test_numbers_of_steps(speak, train, steps, tmp_path, capsys):
    assert speak("Hello.\n", "-t", steps) == 2
    assert "steps" in one_line(capsys) and nothing_was_written(tmp_path)
    if steps != "1000000000":  # a long training, but one
        assert train(None, f"train.steps={steps}") == 2
        assert "train.steps must be" in one_line(capsys) and nothing_was_written(tmp_path)


@pytest.mark.parametrize("kind", BAD_CHECKPOINTS)
@pytest.mark.parametrize("use", ["speak", "fine-tune", "vocoder"])
def test_a_checkpoint_that_cannot_be_used(speak, train, given, use, kind, tmp_path, capsys):
    path = given.checkpoints[kind]
    if use == "fine-tune":
        assert train(None, "--init", path) == 2
    else:
        assert speak("Hello.\n", "--vocoder" if use == "vocoder" else "-c", path) == 2
    message = one_line(capsys)
    assert str(path) in message and nothing_was_written(tmp_path)
    assert BAD_CHECKPOINTS[kind] in message or use == "vocoder"
    assert not (path.parent / "executed").exists()


# ------------------------------------------------------- one bad line of many


def test_one_bad_line_does_not_cost_the_other_ninety_nine(speak, tmp_path, capsys):
    lines = [f"Number {number}." for number in range(100)]
    lines[41] = "Hello.|nobody"
    assert speak("\n".join(lines) + "\n") == 3
    names = sorted(path.name for path in tmp_path.glob("out/*.wav"))
    assert names == [f"{number:04d}.wav" for number in range(100) if number != 41]  # the others keep their numbers
    skipped, count = capsys.readouterr().err.splitlines()
    assert skipped.startswith(f"skipped: {tmp_path / 'texts.txt'}:42: there is no speaker 'nobody'")
    assert count == "1 bad line skipped; --strict stops at the first"


def test_strict_stops_at_it(speak, tmp_path, capsys):
    assert speak("Hello.\nHello.|nobody\n", "--strict") == 2
    assert "texts.txt:2: there is no speaker" in one_line(capsys) and nothing_was_written(tmp_path)


def test_bad_lines_of_a_filelist_do_not_cost_the_others(train, given, tmp_path, capsys):
    good = (given.corpus / "train.txt").read_text().splitlines()
    good = [f"{given.corpus}/{line}" for line in good]
    bad = {
        "expected `wav_path": "no columns",
        "no file": "gone.wav|One.|anna",
        "is truncated": f"{given.wavs['truncated']}|One.|anna",
        "no voiced frame": f"{given.wavs['silent']}|One.|anna",
        "nothing to speak": f"{given.corpus / 'anna0.wav'}|...|anna",
        "tokens of text": f"{given.corpus / 'anna0.wav'}|{'Many words. ' * 20}|anna",
    }
    lines = [*good[:3], *bad.values(), *good[3:]]
    assert train("\n".join(lines).encode() + b"\ncaf\xe9\n") == 3
    shown = capsys.readouterr().err.splitlines()
    skipped = [line for line in shown if line.startswith("skipped: ")]
    for number, words in enumerate(bad, 4):
        (line,) = [line for line in skipped if f"list.txt:{number}: " in line]
        assert words in line
    assert any(f"list.txt:{len(lines) + 1}: byte 0xe9" in line for line in skipped) and len(skipped) == 7
    assert shown[-1] == "7 bad lines skipped; --strict stops at the first"
    log = (tmp_path / "log" / "train.log").read_text()
    assert log.count("skipped: ") == 7 and "step 1  finished" in log
    assert train(None, "--strict") == 0
    assert train("\n".join(lines), "--strict", f"train.log_dir={tmp_path / 'strict'}") == 2


def test_a_name_that_a_run_does_not_know_names_its_line(train, given, capsys):
    assert train(None) == 0
    capsys.readouterr()
    assert train(good_line(given) + good_line(given).replace("anna\n", "zoe\n"), "train.steps=2") == 2
    message = one_line(capsys)
    assert "list.txt:2: " in message and "was trained without 'zoe'" in message


# -------------------------------------------------- sizes, and what ends a run


TOO_LONG = {
    "5,000 digits": "9" * 5000,
    "300 digits and 300 more": "9" * 300 + "." + "9" * 300,
    "a word of 50,000 letters": "a" * 49_990,
    "a line of 60,000 characters": "so on and " * 6000,
    "signs that become many words": "\u2260" * 240,
}


@pytest.mark.parametrize("kind", TOO_LONG)
def test_a_text_beyond_all_bounds(speak, kind, tmp_path, capsys):
    assert speak(f"{TOO_LONG[kind]}\n") == 2
    message = one_line(capsys)
    assert "texts.txt:1: " in message and len(message) < 400 and nothing_was_written(tmp_path)
    assert speak(f"{TOO_LONG[kind]}\nHello.\n") == 3
    assert [path.name for path in (tmp_path / "out").glob("*.wav")] == ["0001.wav"]


@pytest.mark.parametrize("script", ["speak", "train"])
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_as_a_list(script, device, request, monkeypatch, capsys):
    monkeypatch.setattr("common.files.MOST_BYTES", 2**20)
    monkeypatch.setattr("common.files.read_bounded.__defaults__", (2**20,))
    assert request.getfixturevalue(script)(Path(device)) == 2
    assert f"{device} has more than 1 MB" in one_line(capsys)


def test_a_piece_that_would_last_minutes_is_left_out(speak, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("model.lengths.MOST_FRAMES", 200)
    assert speak("Hello.\nMany words make a long text, and here are some more of them.\n", "--length-scale", 2) == 3
    assert "texts.txt:2: it would last" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("*.wav")] == ["0000.wav"]


def test_a_text_that_would_last_hours_is_left_out(speak, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("synthesis.synthesiser.MOST_SECONDS", 1)
    assert speak("Hello.\nOne. Two. Three. Four. Five. Six. Seven. Eight.\n", "--stream") == 3
    assert "texts.txt:2: it lasts more than 1 s" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("*.wav")] == ["0000.wav"]  # no partial one


BAD_OVERRIDES = {
    "encoder.channels=1000000000": "encoder.channels must be at least 1, and at most 8192",
    "encoder.layers=100000000": "encoder.layers must be at least 1, and at most 100",
    "train.workers=100000": "train.workers must be 0 or more, and at most 64",
    "encoder.channels=8192": "these parameters make no model: a model of",
    "audio.n_fft=1000000000": "audio.n_fft must be",
    "train.batch_size=1000000000": "train.batch_size must be",
    "train.learning_rate=nan": "train.learning_rate must be a number, not 'nan'",
    "train.learning_rate=.nan": "train.learning_rate must be a finite number",
    "train.learning_rate=-.inf": "train.learning_rate must be a finite number",
    "train.log_dir=": "train.log_dir must be a text that is not empty",
}


@pytest.mark.parametrize("override", BAD_OVERRIDES)
def test_a_parameter_beyond_all_bounds(train, override, tmp_path, capsys):
    more = ["encoder.filter_channels=8192"] if override == "encoder.channels=8192" else []
    assert train(None, override, *more) == 2
    assert BAD_OVERRIDES[override] in one_line(capsys) and nothing_was_written(tmp_path)


BAD_MODELS = {
    "a hundred million layers": (lambda payload: payload["params"]["encoder"].update(layers=10**8), "encoder.layers"),
    "more channels than memory": (lambda payload: payload["params"]["encoder"].update(channels=10**9), "channels"),
    "infinite weights": (lambda payload: _all_weights(payload, lambda x: x * float("inf")), "damaged"),
    "weights of 1e30": (lambda payload: _all_weights(payload, lambda x: x * 0 + 1e30), "damaged"),
    "weights on no device": (lambda payload: _all_weights(payload, lambda x: x.to("meta")), "holds no numbers"),
    "complex weights": (lambda payload: _all_weights(payload, lambda x: x.to(torch.complex64)), "is torch.complex64"),
}


def _all_weights(payload: dict, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    weights = payload["weights"]
    weights |= {name: change(value) if value.is_floating_point() else value for name, value in weights.items()}


@pytest.mark.parametrize("kind", BAD_MODELS)
@pytest.mark.parametrize("use", ["speak", "fine-tune"])
def test_a_checkpoint_that_would_fill_the_machine_or_speak_noise(speak, train, given, use, kind, tmp_path, capsys):
    change, words = BAD_MODELS[kind]
    payload = read_checkpoint(given.models.checkpoint)
    change(payload)
    torch.save(payload, tmp_path / "bad.model")
    if use == "speak":
        assert speak("Hello.\n", "-c", tmp_path / "bad.model") == 2
    else:
        assert train(None, "--init", tmp_path / "bad.model") == 2
    message = one_line(capsys)
    assert "bad.model: " in message and words in message and nothing_was_written(tmp_path)


BAD_REPORTS = {
    "200,000 brackets": ("[" * 200_000, "is not JSON (nested too deeply)"),
    "an index beyond all numbers": ('{"results": [{"index": 1e400, "text": "x", "wav": "0000.wav"}]}', "1e400"),
    "an index that is no number": ('{"results": [{"index": NaN, "text": "x", "wav": "0000.wav"}]}', "NaN"),
    "no results": ("{}", "has no list of results"),
    "a byte order mark of UTF-16": ("\ufeff{}".encode("utf-16"), "is not JSON"),
}


@pytest.mark.parametrize("kind", BAD_REPORTS)
def test_a_report_that_is_none(kind, tmp_path, capsys):
    content, words = BAD_REPORTS[kind]
    (tmp_path / "report.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert call(evaluate.main, [tmp_path, "--asr", "none", "--cache", tmp_path / "cache"]) == 2
    message = one_line(capsys)
    assert words in message and "report.json" in message and len(message) < 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json"]


def test_a_text_is_no_formula(speak, tmp_path):
    # Between the two $ lies what matplotlib's formulas cannot be: it would raise.
    assert speak("It costs $5 and \\frac more than $3.\n", "--plots") == 0
    assert (tmp_path / "out" / "0000.png").stat().st_size > 5000


@pytest.mark.parametrize("script", ["speak", "prepare"])
def test_an_empty_name_of_a_folder(speak, given, script, tmp_path, monkeypatch, capsys):
    """Of a variable that was not set, say: nothing is written to the current folder."""
    monkeypatch.chdir(tmp_path)
    if script == "speak":
        assert speak("Hello.\n", "--out", "") == 2
    else:
        assert call(prepare_data.main, ["folder", given.corpus, "--out", ""]) == 2
    assert "it is empty; name a folder" in one_line(capsys) and not list(tmp_path.glob("*.wav"))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("0.25,0.2500001", "two shares for one file, ab_0.25"),
        ("0.5,0.5", "two shares"),
        (",".join(["0.5"] * 101), "up to 100 numbers"),
        ("nan", "weight must be"),
    ],
)
def test_shares_that_cannot_be_told_apart(speak, weights, words, tmp_path, capsys):
    assert speak("Hello.\n", "--emotion2", "angry", "--weights", weights) == 2
    assert words in one_line(capsys) and nothing_was_written(tmp_path)


def test_a_text_with_escapes_is_shown_as_they_are_written(speak, capsys):
    assert speak("Hello \x1b]0;evil\x07 there.\nBad\x1b.|no\x1bbody\n") == 3
    shown = "".join(capsys.readouterr())
    assert "\x1b" not in shown and "\x07" not in shown and r"Hello \x1b]0;evil\x07 there." in shown


PREPARE = {
    "--out on a file": (["--out", "FILE"], "the corpus folder"),
    "seconds that are none": (["--min-seconds", "nan"], "--min-seconds: 'nan' is not a number from 0 to 3600"),
    "no workers": (["--workers", "0"], "--workers: '0' is not a whole number from 1 to 256"),
    "too many workers": (["--workers", "100000"], "--workers"),
    "a negative seed": (["--seed", "-1"], "--seed"),
    "a share of nothing": (["--shard", "0/0"], "--shard"),
    "no such corpus\x1b": (["--x\x1b"], r"unrecognized arguments: --x\x1b"),
}


@pytest.mark.parametrize("kind", PREPARE)
def test_a_preparation_that_cannot_be(given, kind, tmp_path, capsys):
    more, words = PREPARE[kind]
    (tmp_path / "file").touch()
    more = [tmp_path / "file" if part == "FILE" else part for part in more]
    argv = ["folder", given.corpus, "--out", tmp_path / "out", "--cache", tmp_path / "cache", *more]
    assert call(prepare_data.main, argv) == 2
    assert words in one_line(capsys) and not (tmp_path / "out").exists()


# ------------------------------------------------------------------------- locks


@pytest.fixture
def held():
    """A function that lets another process have a folder."""
    processes = []

    def hold(folder: Path) -> None:
        code = f"from common.files import in_use\nwith in_use({str(folder)!r}): print(flush=True); input()"
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        process.stdout.readline()
        processes.append(process)

    yield hold
    for process in processes:
        process.communicate(b"\n")


def test_a_second_run_in_a_folder_ends_at_once(speak, train, given, held, tmp_path, capsys):
    held(tmp_path / "out")
    assert speak("Hello.\n") == 2
    assert "out is in use by process" in one_line(capsys)
    held(tmp_path / "log")
    assert train(None) == 2
    assert "the log folder" in (message := one_line(capsys)) and "is in use by process" in message
    held(tmp_path / "corpus")
    argv = ["folder", given.corpus, "--out", tmp_path / "corpus", "--cache", tmp_path / "cache"]
    assert call(prepare_data.main, argv) == 2
    assert "the corpus folder" in one_line(capsys)


# ------------------------------------------------------------ a run that is stopped


def test_ctrl_c_leaves_whole_files_and_a_report(speak, monkeypatch, tmp_path, capsys):
    count = 0

    def spoken(self, *arguments, **options):
        nonlocal count
        count += 1
        if count == 3:
            signal.raise_signal(signal.SIGINT)
        return decode_piece(self, *arguments, **options)

    decode_piece = Synthesiser.decode_piece
    monkeypatch.setattr(Synthesiser, "decode_piece", spoken)
    assert speak("One.\nTwo.\nThree.\n") == 130
    assert capsys.readouterr().err == "stopped; what is finished stays\n"
    assert [row["wav"] for row in json.loads((tmp_path / "out" / "report.json").read_text())["results"]] == [
        "0000.wav",
        "0001.wav",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0000.wav", "0001.wav", "report.json"]


def test_a_stream_that_is_stopped_leaves_no_part_of_a_file(speak, monkeypatch, tmp_path, capsys):
    def full(self, audio) -> None:
        if self._bytes:
            raise OSError(28, "No space left on device")
        append(self, audio)

    append = WavStream.append
    monkeypatch.setattr(WavStream, "append", full)
    assert speak("One day. Two days.\n", "--stream") == 2
    assert "No space left on device" in one_line(capsys) and not list((tmp_path / "out").glob("*"))
