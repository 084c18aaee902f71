"""Files that are read or written whole, within bounds; and folders that one process at a time writes to."""

from __future__ import annotations

import codecs
import errno
import fcntl
import json
import math
import os
import re
import select
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from common.errors import BadLines, InputError

# Far above every use, so that what was given by mistake (a device, a recording) is not read for hours.
MOST_BYTES = 256 * 2**20  # of a file of text
MOST_LINES = 1_000_000
LONGEST_LINE = 50_000  # bytes; about an hour of speech
SECONDS_FOR_A_WRITER = 10.0  # to come to a pipe that nobody writes to
_LOCK = ".in_use"
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")  # what `replacing` yields
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # of a file system without them


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder (made if missing); on success rename it to `path`, else remove it.

    The rename is atomic, so an interruption leaves either the old file or the new one.

    Raises:
        InputError: the place cannot be written to; the error that says why is its cause.
    """
    check_file_name(path)
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        named = {str(name) for name in (error.filename, error.filename2) if name is not None}
        if named and str(temporary) not in named:
            raise  # another file's, which is read meanwhile
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_file_name(path: str | os.PathLike) -> None:
    """Raises InputError for a path without a name, such as "." or "/", as `replacing` does, but before long work."""
    if not Path(path).name:
        raise InputError(f"{str(path)!r} is not the name of a file; give one")


def unwritable(path: str | os.PathLike, error: Exception) -> InputError:
    """What a user is told of a file that cannot be written; error: why."""
    return InputError(f"{path} cannot be written ({_reason(error)}); free space, or choose another folder")


def make_folder(path: str | os.PathLike, what: str = "the output folder") -> Path:
    """Make a folder where it is missing. Raises InputError if it cannot be made; what: its name in the message."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{what} {path} cannot be made ({_reason(error)}); choose another") from error
    return path


@contextmanager
def in_use(folder: str | os.PathLike, what: str = "the output folder", parts: str = "") -> Iterator[None]:
    """Inside, this process alone has the folder (made if missing, and removed again if nothing was put there).

    The lock ends with the process, however that ends, so what a killed one leaves behind bars nobody; processes that it
    forked do not hold it. A file system without locks gives none. Half-written files of a killed one are removed, there
    and in the folders in it that the pattern `parts` finds.

    Raises:
        InputError: another process has it, or the folder cannot be written to.
    """
    made = not os.path.isdir(folder)
    path = make_folder(folder, what) / _LOCK
    lock = None
    try:
        lock = _locked(path, f"{what} {folder}")
        for part in (folder, *(Path(folder).glob(parts) if parts else ())):
            remove_leftovers(part)
        yield
    finally:
        if lock is not None:
            path.unlink(missing_ok=True)  # before it is free, so that nobody locks a file that is going
            os.close(lock)
        if made:
            with suppress(OSError):
                os.rmdir(folder)


def remove_leftovers(folder: str | os.PathLike, seconds: float = 0) -> None:
    """Remove what killed processes had half written by `replacing`.

    seconds: for which nobody has written to it; 0 where nobody else writes to the folder.
    """
    with suppress(OSError):  # there is no such folder, say
        for path in Path(folder).iterdir():
            if _TEMPORARY.fullmatch(path.name) and time.time() - path.stat().st_mtime >= seconds:
                path.unlink(missing_ok=True)


def _locked(path: Path, name: str) -> int:
    """The descriptor that holds the lock; it says who has it."""
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise InputError(f"{name} cannot be written to ({error.strerror}); choose another") from error
        try:
            # Of the process, unlike flock's: a data loader that outlives a killed run would hold that.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                holder = os.pread(lock, 200, 0).decode("ascii", "replace").strip() or "another process"
                os.close(lock)
                raise InputError(f"{name} is in use by {holder}; wait for it, or choose another") from error
        with suppress(FileNotFoundError):
            if os.fstat(lock).st_ino == os.stat(path).st_ino:
                break
        os.close(lock)  # the one before removed it in between
    with suppress(OSError):  # a full disk: who has it is not said, that is all
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M:%S}\n".encode(), 0)
    return lock


def read_bounded(path: str | os.PathLike, most: int = MOST_BYTES) -> bytes:
    """The content of a file, a device or a pipe; InputError if it cannot be read, or has more than `most` bytes."""
    try:
        # Without waiting: else a pipe without a writer hangs.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            descriptor = file.fileno()
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                content = _read_pipe(descriptor, most + 1)
            else:
                os.set_blocking(descriptor, True)
                content = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {_reason(error)}; check the path") from error
    if len(content) > most:
        raise InputError(f"{path} has more than {most // 2**20} MB; is it the right file?")
    return content


def _read_pipe(descriptor: int, most: int) -> bytes:
    """Up to `most` bytes of a pipe that was opened without waiting; TimeoutError if no writer comes."""
    content, came, end = bytearray(), False, time.monotonic() + SECONDS_FOR_A_WRITER
    while len(content) < most:
        try:
            part = os.read(descriptor, most - len(content))
        except BlockingIOError:
            came = True
            select.select([descriptor], [], [])
            continue
        content += part
        came = came or bool(part)
        if not part and came:
            break
        if not came:
            if time.monotonic() > end:
                raise TimeoutError(None, "nobody writes to this pipe")
            time.sleep(0.01)
    return bytes(content)


def decode_lines(content: bytes, name: str, bad_lines: BadLines | None = None) -> list[tuple[int, str]]:
    """UTF-8 bytes (a byte order mark and CRLF are accepted) -> numbers, from 1, and lines without their ends.

    bad_lines: takes the lines that are not UTF-8, or too long; None: the first one raises InputError, which names it.
    Raises InputError for too many lines.
    """
    bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
    if content.count(b"\n") > MOST_LINES:
        raise InputError(f"{name} has more than {MOST_LINES} lines; split it")
    lines = []
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        with bad_lines.skipping(f"{name}:{number}"):
            lines.append((number, _decode(line.removesuffix(b"\r"))))
    return lines


def _decode(line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        raise InputError(f"a line of {len(line)} bytes, more than {LONGEST_LINE}; split it into several")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"byte 0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8") from error


def read_lines(path: str | os.PathLike) -> list[str]:
    """Lines of a UTF-8 file, without their ends. Raises InputError if it cannot be opened, or is not UTF-8."""
    return [line for _, line in read_numbered_lines(path)]


def read_numbered_lines(path: str | os.PathLike, bad_lines: BadLines | None = None) -> list[tuple[int, str]]:
    """`decode_lines` of a file; InputError also when it cannot be opened."""
    return decode_lines(read_bounded(path), str(path), bad_lines)


def read_json(path: str | os.PathLike, most: int = MOST_BYTES) -> Any:
    """The value in a JSON file. Raises InputError, beginning with the path, for one that cannot be read or is none."""
    content = read_bounded(path, most)
    try:
        return parse_json(content)
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); make it again") from error


def parse_json(content: str | bytes) -> Any:
    """The value of a JSON text; raises ValueError, in one line, also for nesting too deep and numbers not finite."""
    try:
        return json.loads(content, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())
