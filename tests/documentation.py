"""What README.md and the pages of docs/ tell their reader to type, and the names that they mention."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "THIRD_PARTY.md", *sorted((ROOT / "docs").rglob("*.md")))
PROGRAMS = ("python", "make", "torchrun", "pip", "tests/peer/install.sh")

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4,}.*\n)+")
_CODE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_SHELL = ("", "sh")  # languages of a fence that holds commands


@dataclass(frozen=True)
class Snippet:
    """Something in a page, and where: `README.md:12`."""

    place: str
    text: str

    def __str__(self) -> str:
        return self.place


def blocks(language: str) -> list[Snippet]:
    """Fenced blocks of a language; "text" is of none."""
    return [Snippet(place, text) for place, found, text in _fences() if found == language]


def commands() -> list[Snippet]:
    """A line each, as a shell would read it; comments and line continuations are gone."""
    found = []
    for place, language, text in _fences():
        if language in _SHELL:
            found += [Snippet(place, line) for line in _lines(text)]
    for place, text in _outside_of_fences():
        for block in _INDENTED.finditer(text):
            if block[0].split()[0] in PROGRAMS:
                found += [Snippet(_shift(place, text, block), line) for line in _lines(block[0])]
    found += [code for code in inline_code() if code.text.split()[0] in PROGRAMS and code.text not in PROGRAMS]
    return found


def inline_code() -> list[Snippet]:
    """What stands between backticks in running text."""
    return [
        Snippet(_shift(place, text, match), " ".join(match[1].split()))
        for place, text in _outside_of_fences()
        for match in _CODE.finditer(_INDENTED.sub(lambda block: "\n" * block[0].count("\n"), text))
    ]


def links() -> list[Snippet]:
    """Targets of links and pictures within the repository."""
    return [
        Snippet(_shift(place, text, match), match[1])
        for place, text in _outside_of_fences()
        for match in re.finditer(r"\]\(([^)#]+)[^)]*\)", text)
        if "://" not in match[1]
    ]


def _fences() -> Iterator[tuple[str, str, str]]:
    """(place, language, text)."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            yield _shift(f"{page.relative_to(ROOT)}:1", text, match), match[1], match[2]


def _outside_of_fences() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        yield f"{page.relative_to(ROOT)}:1", _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def _shift(place: str, text: str, match: re.Match) -> str:
    page, line = place.rsplit(":", 1)
    return f"{page}:{int(line) + text[: match.start()].count(chr(10))}"


def _lines(block: str) -> list[str]:
    joined = block.replace("\\\n", " ")
    words = [shlex.split(line, comments=True) for line in joined.splitlines()]
    return [shlex.join(line) for line in words if line]
