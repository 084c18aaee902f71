"""How scripts end, what they print, and what they share: one line and a code, whatever happens."""

from __future__ import annotations

import ast
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from common.errors import BadLines, InputError, reports_input_errors, shown
from common.files import LONGEST_LINE, decode_lines, in_use, parse_json, read_bounded, read_json, replacing

from .sources import PACKAGES, sources
from .training_process import heed_signals

ROOT = Path(__file__).resolve().parents[1]


def end(error: BaseException) -> int:
    @reports_input_errors
    def main() -> int:
        raise error

    return main()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("a.txt:1: wrong"), 2, "error: a.txt:1: wrong"),
        (MemoryError(), 2, "too little memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            2,
            "too little memory",
        ),
        (RuntimeError("can't start new thread"), 2, "too little memory"),
        (RecursionError("maximum recursion depth exceeded"), 2, "nested too deeply"),
        (OSError(errno.ENOSPC, "No space left on device", "a.wav"), 2, "error: a.wav: No space left on device; free"),
        (OSError(errno.EACCES, "Permission denied", "a"), 2, "error: a: Permission denied; check"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 2, "the reader of the output is gone"),
        (KeyboardInterrupt(), 130, "stopped"),
        (InputError("two\nlines \x1b[31m"), 2, r"error: two\nlines \x1b[31m"),
    ],
)
def test_what_a_user_can_cause_is_one_line(error, code, words, capsys):
    assert end(error) == code
    shown_lines = capsys.readouterr().err.splitlines()
    assert len(shown_lines) == 1 and words in shown_lines[0]


def test_an_error_of_the_program_keeps_its_traceback():
    for error in (ValueError("x"), RuntimeError("x"), KeyError("x"), AssertionError()):
        with pytest.raises(type(error)):
            end(error)


def test_what_a_terminal_would_obey_is_escaped():
    assert shown("a\x1b]0;b\x07 \u202e\n\udce9 caf\u00e9") == "a\\x1b]0;b\\x07 \\u202e\\n\\udce9 caf\u00e9"


def test_a_summary_stays_short():
    bad = BadLines()
    for number in range(1000):
        with bad.skipping(f"list:{number}"):
            raise InputError("x\x1b")
    lines = bad.summary()
    assert len(lines) == 102 and lines[-2] == "skipped: 900 more" and lines[0] == "skipped: list:0: x\\x1b"
    assert lines[-1].startswith("1000 bad lines")


SCRIPTS = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if not path.relative_to(ROOT).parts[0].startswith((".", "tests", "studio.py"))
    and '__name__ == "__main__"' in path.read_text(encoding="utf-8")
]


def test_every_script_ends_through_the_door_and_has_bounded_arguments():
    assert {"inference.py", "train.py", "fit_solver.py", "export.py", "run.py"} <= {path.name for path in SCRIPTS}
    for path in SCRIPTS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (main,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
        assert "reports_input_errors" in map(ast.unparse, main.decorator_list), path
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            assert ast.unparse(call.func) != "argparse.ArgumentParser", path
    others = (path for path in sources(*PACKAGES, "benchmarks") if path.name != "inference.py")  # see `check_options`
    for path in others:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("add_argument"):
                types = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "type"]
                assert not {"int", "float"} & set(types), (path, ast.unparse(call))


# ------------------------------------------------------------- real processes

_SCRIPT = """
import os, sys, time
from common.errors import reports_input_errors
@reports_input_errors
def main():
{body}
raise SystemExit(main())
"""


def script(body: str, **options) -> subprocess.Popen:
    source = _SCRIPT.format(body="\n".join(f"    {line}" for line in body.splitlines()))
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    settings |= {"preexec_fn": heed_signals} | options
    return subprocess.Popen([sys.executable, "-c", source], **settings)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_one_line_and_clears_away(number, tmp_path):
    half = tmp_path / "half"
    body = f"try:\n    open({str(half)!r}, 'w'); print('begun', flush=True); time.sleep(60)\nfinally:\n"
    process = script(f"{body}    os.unlink({str(half)!r})")
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and errors == "stopped; what is finished stays\n" and not half.exists()


def test_a_terminal_that_closes_ends_nothing_under_nohup():
    process = script("print('begun', flush=True); time.sleep(0.5); print('done')", preexec_fn=_ignore_hang_up)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=20) == ("done\n", "") and process.returncode == 0


def _ignore_hang_up() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_ctrl_c_while_a_script_still_imports_is_one_line():
    source = "import common, time\nprint('begun', flush=True)\ntime.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=heed_signals,
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == "stopped before anything was begun\n" and process.returncode == 130


@pytest.mark.parametrize("package", ["training", "hifi-gan"])
def test_packages_that_load_torch_are_ready_for_it(package):
    first = next(
        node for node in ast.parse((ROOT / package / "__init__.py").read_text()).body if isinstance(node, ast.Import)
    )
    assert [alias.name for alias in first.names] == ["common"]


def test_an_exception_that_hides_the_signal_ends_the_same_way():
    body = "try:\n    print('begun', flush=True); time.sleep(60)\nexcept KeyboardInterrupt:\n    raise SystemError('x')"
    process = script(body)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120)[1] == "stopped; what is finished stays\n" and process.returncode == 130


def test_a_closed_pipe_is_one_line():
    process = script("for i in range(10**6): print(i)")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "error: the reader of the output is gone; what is finished stays\n"
    assert process.wait(120) == 2


@pytest.mark.parametrize("body", ["print('x')", "print('usage')\nraise SystemExit(0)"], ids=["results", "help"])
def test_a_full_device_as_output_is_one_line(body):
    with open("/dev/full", "w") as full:
        process = script(body, stdout=full)
        _, errors = process.communicate(timeout=120)
    assert errors.startswith("error: No space left on device") and errors.count("\n") == 1
    assert process.returncode == 2


def test_an_output_that_is_closed_or_in_ascii_is_none_of_a_scripts_business():
    process = script("print('caf\\u00e9')", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert process.communicate(timeout=120) == ("caf\\xe9\n", "") and process.returncode == 0
    closed = f"exec {sys.executable} -c 'from common.errors import *\n@reports_input_errors\ndef main(): print(1)\n"
    done = subprocess.run(["bash", "-c", f"{closed}exit(main())' >&- 2>&-"], cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0


# ---------------------------------------------------------------------- locks


def holder(folder: Path) -> subprocess.Popen:
    """A process that has the folder."""
    has_it = "    print('has it', flush=True)\n    time.sleep(60)"
    process = script(f"from common.files import in_use\nwith in_use({str(folder)!r}):\n{has_it}")
    assert process.stdout.readline() == "has it\n"
    return process


def test_one_process_at_a_time_has_a_folder(tmp_path):
    folder = tmp_path / "new" / "out"
    other = holder(folder)
    try:
        with pytest.raises(InputError, match=rf"out is in use by process {other.pid}, since 20\d\d-"), in_use(folder):
            raise AssertionError
    finally:
        other.kill()
        other.communicate()
    assert (folder / ".in_use").exists()  # stale: the process was killed
    with in_use(folder):
        assert (folder / ".in_use").read_text().startswith(f"process {os.getpid()},")
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_folder_that_got_nothing_is_gone_again(tmp_path):
    with pytest.raises(KeyError), in_use(tmp_path / "a"):
        raise KeyError
    assert not (tmp_path / "a").exists()
    (tmp_path / "b").mkdir()
    with in_use(tmp_path / "b"):
        pass
    assert (tmp_path / "b").is_dir()


def test_what_a_killed_process_had_half_written_is_removed(tmp_path):
    body = f"from common.files import replacing\nwith replacing({str(tmp_path / 'a')!r}) as half:\n    half.touch()\n"
    process = script(f"{body}    print(half.name, flush=True); time.sleep(60)")
    half = tmp_path / process.stdout.readline().strip()
    process.kill()
    process.communicate()
    (tmp_path / ".own.tmp").touch()
    assert half.exists()
    with in_use(tmp_path):
        assert not half.exists() and (tmp_path / ".own.tmp").exists()


def test_what_cannot_be_written_is_said_in_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "a"):
        message = rf"{path} cannot be written \(.*\); free space, or choose another folder"
        with pytest.raises(InputError, match=message), replacing(path) as half:
            half.touch()
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "b"):  # what is read meanwhile is not to be written
        (tmp_path / "none").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


@pytest.mark.parametrize("name", [".", "", "/"])
def test_what_names_no_file_is_one_line(name):
    with pytest.raises(InputError, match="is not the name of a file"), replacing(name):
        pass


def test_half_written_files_in_the_folders_inside_go_too(tmp_path):
    left = tmp_path / "wavs" / "anna" / f".{'0' * 32}.tmp"
    left.parent.mkdir(parents=True)
    left.touch()
    with in_use(tmp_path):
        assert left.exists()
    with in_use(tmp_path, parts="wavs/*"):
        assert not left.exists()


def test_a_lock_is_no_way_to_another_file(tmp_path):
    (tmp_path / "precious").write_text("words")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".in_use").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="cannot be written to"), in_use(tmp_path / "out"):
        raise AssertionError
    assert (tmp_path / "precious").read_text() == "words"


def test_a_place_that_can_have_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "nul\0"):
        with pytest.raises(InputError, match="cannot be made"), in_use(path):
            raise AssertionError


def test_a_fork_does_not_keep_the_folder(tmp_path):
    """A data loader outlives a killed run by some seconds, in which the run may go on."""
    body = f"""from common.files import in_use
with in_use({str(tmp_path)!r}):
    child = os.fork()
    if not child:
        time.sleep(30)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)"""
    process = script(body)
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        time.sleep(0.1)
        with in_use(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()
        process.stderr.close()


# ---------------------------------------------------------------------- files


def test_a_device_is_read_within_bounds():
    with pytest.raises(InputError, match="/dev/zero has more than 1 MB"):
        read_bounded("/dev/zero", 2**20)
    assert read_bounded("/dev/null") == b""


def test_a_pipe_is_read_to_its_end_and_one_without_a_writer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("common.files.SECONDS_FOR_A_WRITER", 0.2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=r"pipe: nobody writes to this pipe"):
        read_bounded(pipe)
    content = os.urandom(200_000)  # more than a pipe holds
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert read_bounded(pipe) == content
    writer.join()
    with subprocess.Popen(f"sleep 0.4 > {pipe}", shell=True):  # who is silent is waited for
        assert read_bounded(pipe) == b""
    with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless:
        with pytest.raises(InputError, match="more than 1 MB"):
            read_bounded(f"/dev/fd/{endless.stdout.fileno()}", 2**20)
        endless.kill()


def test_lines_are_bounded(monkeypatch):
    with pytest.raises(InputError, match=rf"x:2: a line of {LONGEST_LINE + 1} bytes"):
        decode_lines(b"a\n" + b"b" * (LONGEST_LINE + 1), "x")
    bad = BadLines()
    assert decode_lines(b"b" * (LONGEST_LINE + 1) + b"\nfine", "x", bad) == [(2, "fine")] and len(bad.messages) == 1
    monkeypatch.setattr("common.files.MOST_LINES", 10)
    with pytest.raises(InputError, match="x has more than 10 lines"):
        decode_lines(b"\n" * 11, "x")


@pytest.mark.parametrize(
    "content", ["", "[" * 200_000, "1e400", "-Infinity", "NaN", "9" * 5000, "{", "\x00", b"\xff\xfe\xff", '{"a": 1,}']
)
def test_json_that_is_none(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"a\.json is not JSON \(.+\)") as error:
        read_json(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_json_that_is_some():
    assert parse_json(b'{"a": [1, 2.5, null, "\xc3\xa9"]}') == {"a": [1, 2.5, None, "\u00e9"]}
