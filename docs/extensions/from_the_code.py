"""Reference pages out of the code itself: options of the scripts, parameters, kinds of interpolation, packages.

Each directive stands for Markdown that a function here writes, so nothing in the reference can fall behind.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import params
from model.interpolation import KINDS

ROOT = Path(__file__).resolve().parents[2]


# ------------------------------------------------------------ command line


class _Built(BaseException):
    """Ends a script where its parser is complete."""


@contextmanager
def _stopping_at(found: list[argparse.ArgumentParser]) -> Iterator[None]:
    def stop(parser: argparse.ArgumentParser, *_given: object, **_named: object) -> None:
        found.append(parser)
        raise _Built

    with (
        patch.object(argparse.ArgumentParser, "parse_args", stop),
        patch.object(argparse.ArgumentParser, "parse_intermixed_args", stop),
    ):
        yield


def parser_of(script: str, *arguments: str) -> argparse.ArgumentParser:
    """The parser of a script (`inference.py`) or module (`synthesis.fit_solver`), as it is with these arguments."""
    module = importlib.import_module(script.removesuffix(".py"))
    found: list[argparse.ArgumentParser] = []
    with _stopping_at(found), suppress(_Built):
        module.main(list(arguments))
    return found[0]


def command_line(script: str, *arguments: str) -> str:
    """What the script says of itself, and a row for each option."""
    parser = parser_of(script, *arguments)
    commands = _commands(parser)
    if arguments and commands:
        parser = commands.choices[arguments[0]]
    lines = [_description(parser)]
    for group in parser._action_groups:
        rows = [_option(parser, action) for action in group._group_actions if _shown(action)]
        if rows:
            if group.description:
                lines.append(f"**{group.title}**: {group.description}")
            lines.append(_table(("option", "", "default"), rows))
    if commands and not arguments:
        lines.append(
            _table(("command", ""), [(f"`{choice.dest}`", choice.help) for choice in commands._choices_actions])
        )
    return "\n\n".join(lines)


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Every option string of a parser and its commands."""
    commands = _commands(parser)
    own = [option for action in parser._actions if _shown(action) for option in action.option_strings]
    return own + ([option for each in commands.choices.values() for option in options_of(each)] if commands else [])


def _commands(parser: argparse.ArgumentParser) -> argparse._SubParsersAction | None:
    return next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)


def _shown(action: argparse.Action) -> bool:
    return (
        not isinstance(action, argparse._HelpAction | argparse._SubParsersAction) and action.help != argparse.SUPPRESS
    )


def _description(parser: argparse.ArgumentParser) -> str:
    """As it is written for a terminal, so shown as that."""
    return f"```text\n{inspect.cleandoc(parser.description or '')}\n```"


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> tuple[str, str, str]:
    name = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{action.metavar or action.dest}`"
    words = (action.help or "") % {"default": action.default, "prog": parser.prog}
    for ending in (f"; default: {action.default}", f"default: {action.default}"):
        words = words.removesuffix(ending)
    choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
    takes_value = action.nargs != 0
    default = f"`{action.default}`" if takes_value and action.default not in (None, argparse.SUPPRESS) else ""
    if action.required and action.option_strings:
        default = "required"
    return name, "; ".join(part for part in (_cell(words), choices) if part), default


# -------------------------------------------------------------- parameters


def parameters() -> str:
    """Every parameter by group: name, type, default, and the comment beside it in params.py."""
    comments = _comments(Path(params.__file__))
    parts = []
    for group in fields(params.Params):
        kind = type(group.default_factory())
        parts.append(f"## {group.name}")
        if kind.__doc__ and not kind.__doc__.startswith(f"{kind.__name__}("):
            parts.append(inspect.cleandoc(kind.__doc__))
        own = _settings_help() if kind is params.Interpolation else comments.get(kind.__name__, {})
        rows = [
            (
                f"`{group.name}.{field.name}`",
                _type_name(field.type),
                f"`{field.default!r}`",
                _cell(own.get(field.name, "")),
            )
            for field in fields(kind)
        ]
        parts.append(_table(("parameter", "type", "default", ""), rows))
    return "\n\n".join(parts)


def _comments(path: Path) -> dict[str, dict[str, str]]:
    """Class -> field -> the comment at the end of its line."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign):
                    comment = lines[statement.end_lineno - 1][statement.end_col_offset :].partition("#")[2].strip()
                    found.setdefault(node.name, {})[statement.target.id] = comment
    return found


def _settings_help() -> dict[str, str]:
    return {setting.name: setting.metadata["help"] for kind in KINDS.values() for setting in fields(kind)}


def _type_name(annotation: Any) -> str:
    return f"`{annotation if isinstance(annotation, str) else annotation.__name__}`"


# ----------------------------------------------------- kinds of interpolation


def kinds() -> str:
    """Every kind with its settings."""
    parts = []
    for name, kind in KINDS.items():
        parts += [f"## {name}", inspect.getdoc(kind)]
        rows = [
            (
                f"`{setting.name}`",
                f"`{setting.default!r}`",
                _cell(_range(setting.metadata)),
                _cell(setting.metadata["help"]),
            )
            for setting in fields(kind)
        ]
        parts.append(_table(("setting", "default", "values", ""), rows))
    return "\n\n".join(parts)


def _range(rules: Any) -> str:
    if rules["choices"]:
        return ", ".join(rules["choices"])
    low, high, above = rules["low"], rules["high"], rules["above"]
    bounds = [f"above {above:g}" if above is not None else "", f"from {low:g}" if low is not None else ""]
    return " ".join(part for part in (*bounds, f"to {high:g}" if high is not None else "") if part)


# ------------------------------------------------------------------ packages


def modules_of(package: str) -> list[str]:
    """A package and its modules, without those that are scripts or private."""
    top = importlib.import_module(package)
    found = [package]
    if hasattr(top, "__path__"):
        found += [module.name for module in pkgutil.walk_packages(top.__path__, f"{package}.")]
    return [name for name in found if not any(part.startswith("_") for part in name.split("."))]


def package(name: str) -> str:
    """Everything public of a package, module by module."""
    parts = []
    for module in modules_of(name):
        # what a package re-exports is described where it is written
        members = "" if hasattr(importlib.import_module(module), "__path__") else "\n   :members:"
        parts.append(f"## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}{members}\n```")
    return "\n\n".join(parts)


# ------------------------------------------------------------------ Markdown


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(text: str) -> str:
    """Text that stays text in a cell of a table; code between backticks stays code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(re.sub(r"\|" if part[:1] == "`" else r"([|*_<>\[\]$\\])", r"\\\g<0>", part) for part in parts)


class _FromTheCode(SphinxDirective):
    """Stands for what `write` writes of the words after the directive's name."""

    write: ClassVar[Callable[..., str]]
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        words = self.arguments[0].split() if self.arguments else []
        return self.parse_text_to_nodes(self.write(*words), allow_section_headings=True)


DIRECTIVES = {
    "command-line": command_line,
    "parameters": parameters,
    "interpolation-kinds": kinds,
    "package": package,
}


def setup(app: Sphinx) -> dict[str, Any]:
    for name, write in DIRECTIVES.items():
        app.add_directive(name, type("FromTheCode", (_FromTheCode,), {"write": staticmethod(write)}))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
