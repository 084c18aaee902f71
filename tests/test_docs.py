"""Every command and snippet of README.md and of docs/ does what its page says, as far as seconds go.

Commands that speak with the default model, or prepare a small folder, run; others go through their script's real parser
and what it checks before the long work begins. Names of files, options, parameters and tests exist.
"""

from __future__ import annotations

import argparse
import importlib
import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import soundfile

import inference
from data.filelist import read_texts
from model.params_dict import flat_params
from params import Params
from tests.documentation import PROGRAMS, ROOT, Snippet, blocks, commands, inline_code, links

TEXT = "The ferry leaves at noon."
ELLIPSIS = "..."  # "and what else is needed"


class Reached(BaseException):
    """The place where a dry run ends."""


@pytest.fixture(scope="module")
def speaker():
    from synthesis import load_model

    return load_model("checkpts/default.pt", precision="auto")


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder to type commands in, with what the pages take for granted."""
    for name in ("checkpts", "configs", "resources", "tests", "setup.py", "requirements-eval.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "grad-tts-libri-tts.pt").touch()  # the default model speaks in its place
    (tmp_path / "texts.txt").write_text(f"{TEXT}\n")
    (tmp_path / "other.txt").write_text("Nobody saw it.\n")
    recordings = [soundfile.read(path) for path in sorted((ROOT / "resources/audio/tiny").glob("*.flac"))[:4]]
    (tmp_path / "my_wavs" / "anna").mkdir(parents=True)
    for number, (samples, rate) in enumerate(recordings):
        soundfile.write(tmp_path / "my_wavs" / "anna" / f"{number}.wav", samples, rate)
        (tmp_path / "my_wavs" / "anna" / f"{number}.txt").write_text(f"Sentence number {number}.")
    for name, (samples, rate) in zip(("a.wav", "x.wav", "ref.wav"), recordings, strict=False):
        soundfile.write(tmp_path / name, samples, rate)
    (tmp_path / "melody.csv").write_text("seconds,hz\n0.00,180\n0.45,240\n1.10,150\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    return tmp_path


# ------------------------------------------------------------------- commands


def run_script(monkeypatch, arguments: list[str]) -> int:
    """A script or module of the project with its arguments, in this process; its exit code."""
    module = arguments[0] == "-m"
    name, given = (arguments[1], arguments[2:]) if module else (str(ROOT / arguments[0]), arguments[1:])
    monkeypatch.setattr(sys, "argv", [name, *given])
    try:
        if module:
            monkeypatch.delitem(sys.modules, name, raising=False)
            runpy.run_module(name, run_name="__main__")
        else:
            monkeypatch.syspath_prepend(str(Path(name).parent))
            runpy.run_path(name, run_name="__main__")
    except SystemExit as ended:
        return ended.code or 0
    return 0


def parse_only(monkeypatch, arguments: list[str]) -> None:
    """Through the script's own parser, and no further."""
    for method in ("parse_args", "parse_intermixed_args"):
        parse = getattr(argparse.ArgumentParser, method)

        def parse_and_stop(self, *given, _parse=parse, **named):
            _parse(self, *given, **named)
            raise Reached

        monkeypatch.setattr(argparse.ArgumentParser, method, parse_and_stop)
    with pytest.raises(Reached):
        assert run_script(monkeypatch, arguments) == 0, "refused"


def stop_at(monkeypatch, module: str, name: str) -> None:
    def reached(*_given, **_named):
        raise Reached

    monkeypatch.setattr(importlib.import_module(module), name, reached)


def check_python(arguments: list[str], monkeypatch, desk, speaker) -> None:
    if "--help" in arguments:
        assert run_script(monkeypatch, arguments) == 0
        return
    script = arguments[1] if arguments[0] == "-m" else arguments[0]
    if ELLIPSIS in arguments:
        arguments = [argument for argument in arguments if argument != ELLIPSIS]
        arguments += ["-f", "texts.txt"] if script == "inference.py" else []
    if script == "inference.py" and not any(argument.startswith("logs/") for argument in arguments):
        arguments += [] if any(option in arguments for option in ("-f", "--file")) else ["-f", "texts.txt"]
        monkeypatch.setattr("synthesis.load_model", lambda *_given, **_named: speaker)
        assert run_script(monkeypatch, arguments) == 0
        out = arguments[arguments.index("-o") + 1] if "-o" in arguments else "out"
        assert list((desk / out).glob("report*.json")) and list((desk / out).glob("0000*.wav"))
    elif script == "train_multi_speaker.py":
        stop_at(monkeypatch, "training.corpus", "read_filelists")
        with pytest.raises(Reached):
            assert run_script(monkeypatch, arguments) == 0, "refused"
    elif script == "prepare_data.py" and "my_wavs" in arguments:
        assert run_script(monkeypatch, arguments) == 0
        assert (desk / arguments[arguments.index("--out") + 1] / "valid.txt").read_text()
    else:
        parse_only(monkeypatch, arguments)


def check_make(arguments: list[str]) -> None:
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr


def check_torchrun(arguments: list[str], monkeypatch, desk, speaker) -> None:
    from torch.distributed.run import get_args_parser

    named = any(not argument.startswith("-") for argument in arguments)
    given = get_args_parser().parse_args(arguments if named else [*arguments, "train_multi_speaker.py"])
    check_python([given.training_script, *given.training_script_args], monkeypatch, desk, speaker)


def check_pip(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=("install",))
    parser.add_argument("--no-deps", action="store_true")
    parser.add_argument("-e")
    parser.add_argument("-r")
    parser.add_argument("packages", nargs="*")
    given = parser.parse_args(arguments)
    assert given.r is None or (ROOT / given.r).is_file()
    if given.e:
        extra = re.fullmatch(r"\.\[(\w+)\]", given.e)
        assert extra and f'"{extra[1]}": [' in (ROOT / "setup.py").read_text()


@pytest.mark.parametrize("command", commands(), ids=str)
def test_every_command_is_one(command: Snippet, monkeypatch, desk, speaker):
    program, *arguments = shlex.split(command.text)
    if program == "make":
        check_make(arguments)
    elif program == "pip":
        check_pip(arguments)
    elif program == "torchrun":
        check_torchrun(arguments, monkeypatch, desk, speaker)
    elif program == "python":
        check_python(arguments, monkeypatch, desk, speaker)
    else:
        assert program in PROGRAMS and (ROOT / program).is_file(), f"no way to check {program}"


def test_there_are_commands_to_check():
    assert len(commands()) > 40 and len(blocks("python")) >= 3


# ----------------------------------------------------------------- Python


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_python_block_runs(block: Snippet, desk, monkeypatch, speaker, capsys):
    if "evaluation" in block.text:
        pytest.importorskip("faster_whisper")
        monkeypatch.setattr("synthesis.load_model", lambda *_given, **_named: speaker)
        run_script(monkeypatch, ["inference.py", "-f", "texts.txt", "-o", "out/demo", "-t", "1"])
    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("block", blocks("xml"), ids=str)
def test_every_markup_block_can_be_spoken(block: Snippet, desk, speaker):
    (desk / "texts.txt").write_text(block.text, encoding="utf-8")
    texts = read_texts("texts.txt")
    assert len(speaker.requests(texts, None, None, None)) == len(texts) == len(block.text.splitlines())


# ------------------------------------------------------------------ names

HERE = ("benchmarks", "checkpts", "common", "configs", "data", "docs", "evaluation", "hifi-gan", "model", "resources",
        "monotonic_align", "studio", "synthesis", "tests", "text", "training")  # fmt: skip
OF_OTHER_PROGRAMS = {"--nproc_per_node", "--nnodes", "--rdzv-endpoint", "--no-deps", "--logdir", "--threads"}


@cache
def sources() -> str:
    """All of the project's Python."""
    return "\n".join(path.read_text(encoding="utf-8") for path in python_files())


def python_files() -> list[Path]:
    return [*ROOT.glob("*.py"), *(path for name in HERE for path in (ROOT / name).rglob("*.py"))]


@pytest.mark.parametrize("link", links(), ids=str)
def test_every_link_leads_somewhere(link: Snippet):
    page = ROOT / link.place.rsplit(":", 1)[0]
    assert (page.parent / link.text).exists()


def mentions(pattern: str) -> list[Snippet]:
    """Words of the commands and of the code in running text, where a pattern matches the whole of one."""
    words = [(code.place, word) for code in (*inline_code(), *commands()) for word in code.text.split()]
    return [Snippet(place, word.strip("'(),;")) for place, word in words if re.fullmatch(pattern, word.strip("'(),;"))]


def test_every_file_that_is_named_is_there():
    paths = mentions(r"[\w.-]+\.(?:py|md|yaml|txt|sh)|[\w-]+(?:/[\w.*-]+)+/?")
    own = [
        path for path in paths
        if path.text.split("/")[0] in HERE or ("/" not in path.text and path.text.endswith((".py", ".md", ".yaml")))
    ]  # fmt: skip
    assert len(own) > 30
    anywhere = {path.name for path in python_files()}
    missing = [path for path in own if not list(ROOT.glob(path.text.rstrip("/"))) and path.text not in anywhere]
    assert not missing


def test_every_option_that_is_named_is_one():
    known = set(re.findall(r'"(--?[a-z][\w-]*)"', sources())) | set(inference._parser()._option_string_actions)
    known |= OF_OTHER_PROGRAMS | {"-m", "-e", "-r", "-n"}
    named = mentions(r"--?[a-z][\w-]*(?:=.*)?")
    assert len(named) > 40
    assert [option for option in named if option.text.split("=")[0] not in known] == []


def test_every_parameter_that_is_named_is_one():
    groups = "|".join(field.name for field in fields(Params))
    named = mentions(rf"(?:{groups})\.[a-z]\w*\*?(?:=.*)?")
    modules = re.compile(r"[\w.]+\.py")
    known = flat_params(Params())
    assert len(named) > 5
    missing = [
        key for key in named
        if key.text.split("=")[0].rstrip("*") not in known and not modules.fullmatch(key.text)
        and not any(known_key.startswith(key.text.rstrip("*_")) for known_key in known)
        and not (ROOT / f"{key.text.replace('.', '/')}.py").is_file()
    ]  # fmt: skip
    assert not missing


@cache
def functions_by_module() -> dict[str, list[str]]:
    files = (ROOT / "tests").rglob("test_*.py")
    return {path.stem: re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE) for path in files}


@pytest.mark.parametrize(
    "promise",
    [code for code in inline_code() if re.fullmatch(r"(test_\w+: )?(test_|\.\.\.)\w+(\.\.\.)?", code.text)],
    ids=str,
)
def test_every_test_that_is_named_is_there(promise: Snippet):
    module, _, name = promise.text.rpartition(": ")
    known = functions_by_module()
    if name in known:
        return
    functions = known[module] if module else [function for names in known.values() for function in names]
    pattern = re.escape(name).replace(re.escape("..."), r"\w*")
    assert any(re.fullmatch(pattern, function) for function in functions)
