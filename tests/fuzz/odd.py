"""Odd values, texts and files, all drawn from one generator of random numbers."""

from __future__ import annotations

import copy
import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import soundfile
import torch

NUMBERS = (
    "0", "-1", "1", "2", "3", "0.5", "1.5", "nan", "inf", "-inf", "1e400", "1e308", "1e-320", "-0.0", "9" * 400, "0x10",
    "", " ", "1,5", "\u0663", "1_0", "true", "null", "[1]", "1/2", "\x1b[31m", "2147483648", "9223372036854775808",
    "1e9", "100000",
)  # fmt: skip
NAMES = (
    "anna", "bert", "7", "0", "99", "neutral", "angry", "nobody", "", "caf\u00e9", "../../evil", "/evil", "a\x1b[2Jb",
    "x" * 300, "\u202eevil", "-rf", "$(touch evil)", "<b>", "a b", "\U0001f600", "C:\\evil", "..", ".", "~", "a|b",
)  # fmt: skip
WORDS = (
    "hello",
    "the",
    "rain",
    "I've",
    "Dr.",
    "1984",
    "$5.20",
    "3/4",
    "e.g.",
    "10:30",
    "naïve",
    "U.S.",
    "XIV",
    "–",
    "...",
)


def number(dice: random.Random) -> str:
    """Half of them can be used in most places."""
    if dice.random() < 0.5:
        return dice.choice(["0", "1", "2", "0.5", "1.5", "0.1"])
    if dice.random() < 0.3:
        return str(dice.choice([dice.randint(-10, 10), dice.randint(-(2**70), 2**70), dice.uniform(-5, 5)]))
    return dice.choice(NUMBERS)


def text(dice: random.Random) -> str:
    """One line, mostly short."""
    kind = dice.randrange(14)
    if kind > 11:
        return markup(dice)
    if kind < 5:
        return " ".join(dice.choice(WORDS) for _ in range(dice.randint(1, 5)))
    if kind == 5:  # one thing far too often
        piece = dice.choice(
            ["9", "a", "A", "-", "'", ".", "9,", "a ", "1/2 ", "$", "{", "I.", "\u2260", "\ufdfa", "\u0301"]
        )
        return piece * dice.choice([50, 300, 5000, 60_000])
    if kind == 6:
        return "".join(chr(dice.choice([dice.randrange(32), dice.randrange(127, 700)])) for _ in range(20))
    if kind == 7:
        return "".join(chr(dice.randrange(0x20, 0xD800)) for _ in range(dice.randint(1, 60)))
    if kind == 8:
        return dice.choice(NAMES)
    if kind == 9:
        return f"{'9' * dice.randint(1, 400)}.{'9' * dice.randint(1, 400)}"
    if kind == 10:
        return "".join(dice.choice("aA1.,'-$ %/:\u00bd{}&@#") for _ in range(dice.randint(1, 60)))
    return f"Hello \x1b]0;{dice.choice(NAMES)}\x07 there."


_ELEMENTS = (
    ("prosody", "pitch", "+2st"), ("prosody", "range", "130%"), ("prosody", "rate", "90%"),
    ("prosody", "volume", "-3dB"), ("emphasis", "level", "strong"), ("voice", "name", "bert"),
    ("phoneme", "ph", "təˈm"), ("break", "time", "300ms"), ("mark", "name", "here"),
)  # fmt: skip


def markup(dice: random.Random) -> str:
    """A document of known elements, nested now and then deeply; about half have something odd in them."""
    document = dice.choice(WORDS)
    for _ in range(dice.choice([1, 2, 4, 4, 200])):
        name, attribute, value = dice.choice(_ELEMENTS)
        if dice.random() < 0.1:
            name = dice.choice(["speak", "audio", "a:b", "say-as"])
        if dice.random() < 0.1:
            attribute = dice.choice(["x", "level", "xml:lang", "xmlns:a"])
        if dice.random() < 0.1:
            value = dice.choice([*NUMBERS, *NAMES, "9e9s", "-100%", "99st"]).replace("<", "&lt;")
        empty = name in ("break", "mark")
        inside = "" if empty else dice.choice(WORDS) if name == "phoneme" else document
        element = f"{dice.choice(WORDS)} <{name} {attribute}='{value}'>{inside}</{name}>"
        document = f"{element} {document}" if inside != document else element
    document = f"<speak>{document} {dice.choice(WORDS)}</speak>"
    if dice.random() < 0.2:
        place = dice.randrange(len(document))
        document = document[:place] + dice.choice(["<", "&", "&x;", "]]>", "<!DOCTYPE a>", ""]) + document[place + 1 :]
    return document


def contour_lines(dice: random.Random) -> list[str]:
    return ["seconds,hz", "0,120", f"0.5 {number(dice)}", f"{number(dice)},150", "9,100"][: dice.randint(1, 5)]


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Cut, flipped, doubled, or with something in between."""
    if not content:
        return b"x"
    place = dice.randrange(len(content))
    kind = dice.randrange(5)
    if kind == 0:
        return content[:place]
    if kind == 1:
        flipped = bytearray(content)
        for _ in range(dice.choice([1, 3, 30])):
            # headers are at the beginning
            flipped[dice.randrange(min(len(content), dice.choice([64, 4096, len(content)])))] ^= 1 << dice.randrange(8)
        return bytes(flipped)
    if kind == 2:
        return content[:place] + dice.randbytes(dice.choice([1, 100, 5000])) + content[place:]
    return content[place:] if kind == 3 else content + content


def odd_path(dice: random.Random, folder: Path) -> str:
    """Something that is no ordinary file."""
    link, pipe = folder / "link", folder / "pipe"
    if not link.is_symlink():
        link.symlink_to(link)
        os.mkfifo(pipe)
    choices = ["/dev/null", "/dev/zero", "/dev/full", str(folder), str(folder / "missing"), str(link), str(pipe), ""]
    choices += ["x" * 5000, str(folder / os.fsdecode(b"caf\xe9"))]
    return dice.choice([*choices, "a\x1bb", "/proc/self/mem", "/dev/urandom"])


def no_folder(dice: random.Random, folder: Path) -> str:
    """A place in which nothing can be written."""
    (folder / "file").touch()
    return dice.choice(["/dev/null", "/dev/full", str(folder / "file"), str(folder / "file" / "below"), "x" * 5000])


def odd_bytes(dice: random.Random) -> bytes:
    kind = dice.randrange(5)
    if kind == 0:
        return b""
    if kind == 1:
        return dice.randbytes(dice.choice([1, 100, 10_000]))
    if kind == 2:
        return "\n".join(text(dice) for _ in range(5)).encode("utf-16")
    if kind == 3:
        return b"\n" * dice.choice([1, 1000, 1_500_000])
    return bytes(dice.choice([1, 10**6]))


def odd_name(path: Path, dice: random.Random) -> Path:
    """A path as it is, or with a name that is no UTF-8, or has characters that a terminal obeys."""
    if dice.random() < 0.9:
        return path
    return path.with_name(
        dice.choice([os.fsdecode(b"caf\xe9"), "a\x1b[2Jb", "a\nb", "-x", "a|b", "\u202e"]) + path.name
    )


def lines_file(path: Path, lines: list[str], dice: random.Random) -> str:
    """Write lines, or something else in their place; the path to give."""
    path = odd_name(path, dice)
    if dice.random() < 0.1:
        return odd_path(dice, path.parent)
    content = "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"
    if dice.random() < 0.08:
        content = odd_bytes(dice)
    elif dice.random() < 0.08:
        content = damaged(content, dice)
    path.write_bytes(content)
    return str(path)


def audio_file(path: Path, dice: random.Random) -> str:
    """A recording, mostly odd."""
    if dice.random() < 0.1:
        return odd_path(dice, path.parent)
    path = odd_name(path, dice)
    seconds = dice.choice([0.0, 1 / 22050, 0.01, 0.3, 0.8])
    channels, rate = (
        dice.choice([1, 1, 1, 2, 5, 8, 200]),
        dice.choice([22050, 22050, 16000, 8000, 96000, 192_000, 1, 100, 2_000_000]),
    )
    # libsndfile's own writer of OGG crashes for what no such file can have.
    form = dice.choice(["WAV", "WAV", "FLAC", "AIFF", *(["OGG"] if channels < 3 and 8000 <= rate <= 96_000 else [])])
    time = np.arange(int(seconds * min(rate, 96_000))) / max(rate, 1000)
    audio = np.repeat(0.3 * np.sin(2 * np.pi * 150 * time)[:, None], channels, axis=1)
    if dice.random() < 0.2:
        audio = np.where(audio > 0, dice.choice([0.0, 1e-9, 1e9, np.nan, np.inf]), audio)
    buffer = io.BytesIO()
    try:
        subtype = dice.choice(["FLOAT", "DOUBLE", "PCM_24", "PCM_32", "PCM_U8", "ULAW"]) if form == "WAV" else None
        subtype = subtype if dice.random() < 0.5 else None
        if subtype not in ("FLOAT", "DOUBLE"):  # likewise, of other forms and of samples
            audio = np.nan_to_num(audio).clip(-1, 1)
        soundfile.write(buffer, audio, rate, format=form, subtype=subtype)
    except (RuntimeError, ValueError, TypeError, AssertionError):  # there is no such file
        return odd_path(dice, path.parent)
    content = buffer.getvalue()
    if dice.random() < 0.4:
        content = damaged(content, dice)
    path.write_bytes(content)
    if dice.random() < 0.05:
        os.truncate(path, 2**33)  # without taking the room
    return str(path)


def _odd_tensor(tensor: torch.Tensor, dice: random.Random) -> Any:
    changes: list[Callable[[torch.Tensor], Any]] = [
        lambda x: x * float("inf"), lambda x: x * float("nan"), lambda x: x * 1e30, lambda x: x.to("meta"),
        lambda x: x.to(torch.complex64), lambda x: x.double(), lambda x: x.half(), lambda x: x.long(), lambda x: x[:0],
        lambda x: x[None], lambda x: x.to_sparse(), lambda x: torch.zeros(1).expand(10**12), lambda x: None,
        lambda x: "x", lambda x: x.flatten()[:1].expand(x.shape), lambda x: -x, lambda x: x * 1e4, lambda x: x * 0,
        lambda x: x.to(torch.float8_e4m3fn), lambda x: x > 0,
    ]  # fmt: skip
    try:
        return dice.choice(changes)(tensor)
    except RuntimeError:  # this one cannot be changed so
        return None


def array_file(path: Path, dice: random.Random) -> str:
    """An array, or several, with something wrong."""
    shape = dice.choice([(80, 50), (80, 60), (1, 80, 60), (3,), (0,), ()])
    array = np.zeros(shape, dice.choice([np.float32, np.float64, np.int64, np.complex64, "U3"]))
    if dice.random() < 0.2 and array.dtype.kind == "f":
        array = array + dice.choice([np.nan, np.inf])
    buffer = io.BytesIO()
    if path.suffix == ".npz" or dice.random() < 0.1:
        np.savez(buffer, **{dice.choice(NAMES) or "a": array})
    else:
        np.save(buffer, array)
    content = buffer.getvalue()
    if dice.random() < 0.3:
        content = content.replace(b"'shape': (80", b"'shape': (10000000000, 80")
    path.write_bytes(damaged(content, dice) if dice.random() < 0.3 else content)
    return str(path)


def odd_value(dice: random.Random, depth: int = 0) -> Any:
    kinds = [
        lambda: None, lambda: True, lambda: dice.randint(-3, 3), lambda: 10 ** dice.choice([3, 9, 30, 400]),
        lambda: float(dice.choice(["nan", "inf", "1e300", "-1", "1e-320", "0.5"])), lambda: text(dice)[:200],
        lambda: dice.choice(NAMES),
        lambda: [odd_value(dice, depth + 1) for _ in range(dice.randint(0, 4))] if depth < 3 else [],
        lambda: {dice.choice(NAMES): odd_value(dice, depth + 1) for _ in range(2)} if depth < 3 else {},
    ]  # fmt: skip
    return dice.choice(kinds)()


def torch_file(path: Path, whole: Any, dice: random.Random) -> str:
    """Nested tables and tensors with something wrong in one or two places of them."""
    payload = copy.deepcopy(whole)
    for _ in range(dice.choice([0, 1, 2])):
        inner = payload
        while isinstance(inner, dict | list) and inner:
            key = dice.choice(list(inner)) if isinstance(inner, dict) else dice.randrange(len(inner))
            if not isinstance(inner[key], dict | list) or not inner[key] or dice.random() < 0.15:
                value = inner[key]
                inner[key] = _odd_tensor(value, dice) if isinstance(value, torch.Tensor) else odd_value(dice)
                break
            inner = inner[key]
    try:
        torch.save(payload, path)
    except Exception:  # it cannot be written so
        path.write_bytes(dice.randbytes(100))
    if dice.random() < 0.2:
        path.write_bytes(damaged(path.read_bytes(), dice))
    return str(path)


def json_file(path: Path, whole: dict[str, Any], dice: random.Random) -> str:
    """A table with something wrong in it."""
    content = dict(whole)
    for _ in range(dice.choice([0, 1, 2])):
        content[dice.choice([*whole, "unknown"])] = dice.choice(
            [odd_value(dice), 2 ** dice.randrange(40), [2 ** dice.randrange(20)] * 3, [[10**6]] * 3]
        )
    encoded = json.dumps(content).encode()
    path.write_bytes(damaged(encoded, dice) if dice.random() < 0.2 else encoded)
    return str(path)


def checkpoint_file(path: Path, whole: dict[str, Any], dice: random.Random) -> str:
    """A checkpoint with something wrong in it, as a torch file or as safetensors."""
    if dice.random() < 0.08:
        return odd_path(dice, path.parent)
    path = odd_name(path, dice)
    payload = copy.deepcopy(whole)
    weights = payload["weights"]
    for _ in range(dice.choice([0, 1, 1, 2])):
        kind = dice.randrange(6)
        if kind == 0:
            group = dice.choice(list(whole["params"]))
            name = dice.choice([*whole["params"][group], "unknown"])
            payload["params"] = {**whole["params"], group: {**whole["params"][group], name: odd_value(dice)}}
        elif kind == 1:
            payload[dice.choice([*payload, "x"])] = odd_value(dice)
        elif kind == 2:
            key = dice.choice(["speakers", "emotions", "symbols"])
            kept = list(whole[key][: dice.randint(0, 3)])
            payload[key] = [*kept, *(odd_value(dice) for _ in range(dice.randint(0, 2)))]
        elif kind == 3 and isinstance(payload.get("weights"), dict):
            for name in list(weights) if dice.random() < 0.2 else [dice.choice(list(weights))]:
                value = weights[name]
                weights[name] = _odd_tensor(value, random.Random(1)) if dice.random() < 0.1 else value * 1e30
        elif kind == 4 and isinstance(payload.get("weights"), dict):
            name = dice.choice(list(weights))
            weights[name] = _odd_tensor(weights[name], dice)
        else:
            payload.pop(dice.choice(list(payload)), None)
    try:
        if dice.random() < 0.3:
            path = path.with_suffix(".safetensors")
            header = {name: json.dumps(value) for name, value in payload.items() if name != "weights"}
            tensors = {name: value.contiguous() for name, value in (payload.get("weights") or {}).items()}
            content = safetensors.torch.save(tensors, header)
        else:
            buffer = io.BytesIO()
            torch.save(payload, buffer, _use_new_zipfile_serialization=dice.random() < 0.9)
            content = buffer.getvalue()
    except Exception:  # it cannot be written so
        content = dice.randbytes(100)
    path.write_bytes(damaged(content, dice) if dice.random() < 0.25 else content)
    return str(path)


def yaml_file(path: Path, keys: list[str], dice: random.Random) -> str:
    if dice.random() < 0.1:
        return odd_path(dice, path.parent)
    kind = dice.randrange(6)
    if kind == 0:
        content = odd_bytes(dice)
    elif kind == 1:
        content = ("[" * dice.choice([10, 100_000])).encode()
    elif kind == 2:  # a few lines that mean thousands of millions
        laughs = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}]" for i in range(12)]
        content = "\n".join(laughs).encode()
    else:
        lines = [f"{dice.choice(keys)}: {dice.choice([number(dice), json.dumps(odd_value(dice))])}" for _ in range(3)]
        content = "\n".join(lines).encode("utf-8", "surrogatepass")
        content = damaged(content, dice) if kind == 5 else content
    path.write_bytes(content)
    return str(path)
