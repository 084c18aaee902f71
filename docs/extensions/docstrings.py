"""Docstrings are plain text with `code`, indented formulas and lists; this makes reStructuredText of them."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_SECTION = re.compile(r"(Args|Raises|Returns|Yields):$")
_ITEM = re.compile(r"(\*|-|\d+\.) ")
_NAMED = re.compile(r"((?:[a-z]\w*, )*[a-z]\w*): ")  # what a parameter or a field is
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def as_rst(lines: list[str]) -> list[str]:
    """The lines of a docstring, dedented; sections of Google's style stay for napoleon."""
    done: list[str] = []
    block = ""  # what the lines are in: "section", "formula", or else text
    for line in _with_code("\n".join(lines)).split("\n"):
        indented = line[:1] == " "
        new = not done or not done[-1].strip()  # after a blank line
        if line and not indented:
            block = "section" if _SECTION.match(line) else ""
        elif line and new and not block and line.startswith("    "):
            block = "formula"
            done += ["::", ""]
        if block in ("section", "formula") or not line:
            done.append(line if block == "formula" else _escaped(line))
            continue
        follows_item = _is_item(done)
        named = _NAMED.match(line) if new or follows_item else None
        item = _ITEM.match(line)
        if (item or named) and not new and not follows_item:
            done.append("")
        if named:
            done.append(f"* **{named[1]}**: {_escaped(line[named.end() :])}")
        elif item:
            done.append(item[0] + _escaped(line[item.end() :]))
        else:
            done.append(("  " if follows_item else "") + _escaped(line.strip()))
    return done


def _is_item(done: list[str]) -> bool:
    """Whether the last line belongs to a list."""
    return bool(done) and bool(_ITEM.match(done[-1]) or (done[-1].startswith("  ") and len(done) > 1))


def _with_code(text: str) -> str:
    """`code` as ``code``; code that goes over a line's end is brought onto one."""
    return _CODE.sub(lambda match: f"``{' '.join(match[1].split())}``" + "\n" * match[1].count("\n"), text)


def _escaped(line: str) -> str:
    """What would be markup is not, outside of code."""
    parts = re.split(r"(``.+?``)", line)
    return "".join(part if part.startswith("``") else re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", part) for part in parts)


def _process(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _process, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
