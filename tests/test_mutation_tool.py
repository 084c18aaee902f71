"""The mutation check itself, on a toy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.compiled_mutants import CHANGES, compiled_mutants
from tests.mutation.equivalents import LIST, read_equivalents
from tests.mutation.python_mutants import python_mutants
from tests.mutation.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
# Forks from a process in which nothing else has been done, as the check itself does.
RUN = """
import sys
from pathlib import Path
from tests.mutation.python_mutants import python_mutants
from tests.mutation.runner import run_mutants, unchanged_seconds
root = Path(sys.argv[1])
tests = ("test_toy.py",)
ENDLESS = {"n = n - 1 # endless", "n = n + 0 # endless", "pass # endless"}
mutants = python_mutants("package/toy.py", (root / "package/toy.py").read_text(), tests)
assert unchanged_seconds(root, mutants[0]) > 0
seconds = lambda mutant: 1 if mutant.after in ENDLESS else 300
for mutant, noticed in run_mutants(root, mutants, seconds, jobs=2):
    print("noticed " if noticed else "SURVIVED", mutant)
"""
TOY = '''\
"""A toy."""
import os


def larger(a: int, b: int) -> int:
    """The larger of two."""
    return a if a > b else b


def three_at_least(n):
    while n < 3:
        n = n + 1  # endless
    return n


def die(n):
    if n != 3:
        os.abort()
'''
TESTS = """\
from package.toy import die, larger, three_at_least

def test_toy():
    assert larger(2, 1) == 2
    assert three_at_least(1) == 3
    die(3)
"""


def after(source: str, **options) -> set[str]:
    return {mutant.after for mutant in python_mutants("x.py", source, ("test_x.py",), **options)}


def check(folder: Path, tests: str) -> subprocess.CompletedProcess:
    (folder / "package").mkdir()
    (folder / "package/__init__.py").touch()
    (folder / "package/toy.py").write_text(TOY)
    (folder / "test_toy.py").write_text(tests)
    return subprocess.run([sys.executable, "-c", RUN, str(folder)], cwd=ROOT, capture_output=True, text=True)


def test_a_weak_test_lets_exactly_the_unnoticed_changes_survive(tmp_path: Path) -> None:
    run = check(tmp_path, TESTS)
    assert run.returncode == 0, run.stderr
    expected = {
        "SURVIVED package/toy.py:7: return a if a > b else b -> return a if a >= b else b",
        "noticed  package/toy.py:7: return a if a > b else b -> return a if a <= b else b",
        "noticed  package/toy.py:7: return a if a > b else b -> return b if a > b else a",
        "noticed  package/toy.py:11: while n < 3: -> while n <= 3:",
        "noticed  package/toy.py:11: while n < 3: -> while n >= 3:",
        "noticed  package/toy.py:11: while n < 3: -> while n < 2:",
        "noticed  package/toy.py:11: while n < 3: -> while n < 4:",
        "noticed  package/toy.py:12: n = n + 1 # endless -> pass # endless",
        "noticed  package/toy.py:12: n = n + 1 # endless -> n = n - 1 # endless",
        "noticed  package/toy.py:12: n = n + 1 # endless -> n = n + 0 # endless",
        "SURVIVED package/toy.py:12: n = n + 1 # endless -> n = n + 2 # endless",
        "noticed  package/toy.py:17: if n != 3: -> if n == 3:",  # the process dies
        "noticed  package/toy.py:17: if n != 3: -> if n != 2:",
        "noticed  package/toy.py:17: if n != 3: -> if n != 4:",
        "SURVIVED package/toy.py:18: os.abort() -> pass",
    }
    assert set(run.stdout.splitlines()) == expected


def test_tests_that_fail_anyway_are_an_error(tmp_path: Path) -> None:
    run = check(tmp_path, TESTS + "    assert False\n")
    assert run.returncode == 1
    assert "RuntimeError: without any change, test_toy.py do not pass:" in run.stderr
    assert "test_toy.py:7: in test_toy" in run.stderr


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("y = a + b * c", {"y = a - b * c", "y = a + b / c"}),
        ("y = a // b % c", {"y = a / b % c", "y = a // b * c"}),
        ("y = a ** -b", {"y = a * -b", "y = a ** b"}),
        ("y = a | ~b", {"y = a & ~b", "y = a | b"}),
        ("y = (a + b) * mask", {"y = (a - b) * mask", "y = (a + b) / mask", "y = (a + b)"}),
        ("y = 0 < a <= b", {"y = 1 < a <= b", "y = -1 < a <= b", "y = 0 <= a <= b", "y = 0 >= a <= b",
                            "y = 0 < a < b", "y = 0 < a > b"}),
        ("y = a and b or not c", {"y = a or b or not c", "y = a and b and not c", "y = a and b or c"}),
        ("y = a is not None", {"y = a is None"}),
        ("y = a not in b", {"y = a in b"}),
        ("y = min(a, b)", {"y = max(a, b)", "y = a", "y = b"}),
        ("y = x.clamp(min=a)", {"y = x", "y = x.clamp(max=a)"}),
        ("y = 0.5", {"y = 1.5", "y = -0.5"}),
        ("y = -1e4", {"y = -1.0", "y = 1e4"}),
        ("y = True", {"y = False"}),
        ('y = "a"', {'y = "a_"'}),
        ('y = "b (f t) d -> b f (t d)"', {'y = "b (t f) d -> b f (t d)"', 'y = "b (f t) d -> f b (t d)"',
                                          'y = "b (f t) d -> b t (f d)"', 'y = "b (f t) d -> b f (d t)"'}),
        ("y = x[a:]", {"y = x[:]", "y = x[a + 1:]"}),
        ("y = x[:, :-1]", {"y = x[:, :]", "y = x[:, :1]", "y = x[:, :-2]", "y = x[:, :-0]"}),
        ("y = torch.where(a, b, c)", {"y = torch.where(a, c, b)"}),
        ("y = a if b else c", {"y = c if b else a"}),
        ("if x: y = f()", {"if not x: y = f()"}),
        ("y = [i for i in x if i]", {"y = [i for i in x if not i]"}),
        ("f(x)", {"pass"}),
        ("y -= x", {"y += x", "pass"}),
        ("def f(x, y=1):\n    x = y\n    return x", {"def f(x, y=2):", "def f(x, y=0):", "pass"}),
        ("@torch.no_grad()\ndef f(x):\n    return x", {"# not: torch.no_grad()"}),
        # several lines
        ("if x:\n    raise ValueError(\n        f'{x + 1}'\n    )", {"if not x:", "pass"}),
        ("y = (\n    ä  # + and a comment\n    + b\n)", {"- b"}),
    ],
)  # fmt: skip
def test_changes(source: str, changed: set[str]) -> None:
    assert after(source) == changed


@pytest.mark.parametrize(
    "source",
    [
        '"""1 + 1"""',
        "import numpy as np",
        "def f(x: Literal[1] = None) -> Literal[2]:\n    '''1 + 1'''\n    return x",
        "x: Literal[1]",
        "Callback = Callable[[1], None]",
        "__all__ = ['f']",
        "try:\n    import x\nexcept ImportError:\n    y = 1",
        "@dataclass(frozen=True)\nclass A:\n    x: int",
        "y = f'{x + 1}'",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    assert after(source) == set()


def test_functions_can_be_chosen() -> None:
    source = "a = True\nclass C:\n    def f(self):\n        def g(): return True\n    def fg(self): return True\n"
    assert [m.line for m in python_mutants("x.py", source, ())] == [1, 4, 5]
    assert [m.line for m in python_mutants("x.py", source, (), ["C.f"])] == [4]
    assert [(m.line, m.function) for m in python_mutants("x.py", source, (), ["<module>", "C"])] == [
        (1, "<module>"), (4, "C.f.g"), (5, "C.fg"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"x\.py has nothing to change in C\.gone"):
        python_mutants("x.py", source, (), ["C.f", "C.gone"])


def test_equivalents_need_a_reason_and_a_mutant(tmp_path: Path) -> None:
    mutants, path = python_mutants("x.py", "y = a | b\n", ()), tmp_path / "list.txt"
    path.write_text("# a comment\n\nx.py: <module>: y = a | b -> y = a & b | because\n")
    assert read_equivalents(path, mutants) == {mutants[0].key: "because"}
    path.write_text("\nx.py: <module>: y = a | b -> y = a & b | ")
    with pytest.raises(ValueError, match=r"list\.txt:2 has no reason"):
        read_equivalents(path, mutants)
    path.write_text("x.py: <module>: y = a + b -> y = a - b | because")
    with pytest.raises(ValueError, match=r"list\.txt:1 is no mutant \(any more\): x\.py: <module>: y = a \+ b"):
        read_equivalents(path, mutants)


def test_the_lists_fit_the_project() -> None:
    """Every target has its functions and tests, every change by hand its place, every equivalent its mutant."""
    mutants = [mutant for target in TARGETS for mutant in target.mutants(ROOT)] + compiled_mutants(ROOT)
    assert sum(map(len, CHANGES.values())) >= 15
    assert all((ROOT / test).is_file() for mutant in mutants for test in mutant.tests)
    assert read_equivalents(LIST, mutants)
