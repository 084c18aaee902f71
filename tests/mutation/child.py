"""One test run, in a process of its own that was forked for it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.compiled_mutants import COPIED
from tests.mutation.mutant import Mutant

PASSED, FAILED, INTERRUPTED = 0, 1, 2  # of pytest; a test file that cannot be imported is the last
NOT_BUILT = 90
EXAMPLES = 25  # at most, for each property
_MEMORY = 8 << 30  # bytes of data; a mutant must not take the machine down

_SETTINGS = settings(
    database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)  # fmt: skip


class _MutantFinder(importlib.abc.MetaPathFinder):
    """Gives one file of the project another source."""

    def __init__(self, root: Path, mutant: Mutant) -> None:
        self.path = root / mutant.path
        self.source = mutant.source
        parts = Path(mutant.path).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        loader = _MutantLoader(name, str(self.path))
        loader.source = self.source
        return importlib.util.spec_from_file_location(name, self.path, loader=loader)


class _MutantLoader(importlib.machinery.SourceFileLoader):
    source: str

    def get_code(self, fullname: str) -> object:
        return compile(self.source, self.path, "exec", dont_inherit=True)


class _FewExamples:
    """A plugin: properties are tried on few examples, always the same."""

    @staticmethod
    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        for item in items:
            function = getattr(item, "obj", None)
            if getattr(function, "is_hypothesis_test", False):
                own = function._hypothesis_internal_use_settings
                few = settings(_SETTINGS, max_examples=min(own.max_examples, EXAMPLES))
                function._hypothesis_internal_use_settings = few


def run_tests(root: Path, mutant: Mutant | None, tests: Sequence[str], workspace: Path, quiet: bool = True) -> None:
    """Run the tests of a project, with a mutant of it if there is one, and end this process with pytest's exit status.

    workspace: an empty folder of this run's own.
    """
    try:
        os.setpgid(0, 0)  # so that what the tests start ends with them
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if quiet:
            _silence()
        status = _run(root, mutant, tests, workspace)
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 99
    os._exit(status)


def _run(root: Path, mutant: Mutant | None, tests: Sequence[str], workspace: Path) -> int:
    if mutant is not None and mutant.compiled:
        root = _built_copy(root, mutant, workspace / "copy")
        if root is None:
            return NOT_BUILT
    elif mutant is not None:
        sys.meta_path.insert(0, _MutantFinder(root, mutant))
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    os.chdir(root)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other packages' plugins have no part in this
    sys.path.insert(0, str(root))
    settings.register_profile("mutation", _SETTINGS)
    settings.load_profile("mutation")
    options = ["-x", "-q", "-m", "not slow", "--tb=short", "--assert=plain", "-p", "no:cacheprovider"]
    return int(pytest.main([*options, f"--rootdir={root}", f"--basetemp={workspace / 'tmp'}", *tests], [_FewExamples]))


def _built_copy(root: Path, mutant: Mutant, copy: Path) -> Path | None:
    """A copy of the compiled package and its tests with the mutant in it; None if it does not compile."""
    for name in COPIED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
        else:
            shutil.copy(root / name, copy / name)
    (copy / mutant.path).write_text(mutant.source, encoding="utf-8")
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    return copy if subprocess.run(build, cwd=copy).returncode == 0 else None


def _silence() -> None:
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        null = os.open(os.devnull, flags)
        os.dup2(null, descriptor)
        os.close(null)
