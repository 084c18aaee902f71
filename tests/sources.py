"""The project's own Python files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What a user's programs are made of.
PACKAGES = (
    "common", "data", "evaluation", "hifi-gan", "model", "monotonic_align", "studio", "synthesis", "text", "training",
)  # fmt: skip


def sources(*folders: str) -> list[Path]:
    """The programs at the top, and all that lies in the folders."""
    return sorted([*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))])
