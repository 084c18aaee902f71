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
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.compiled_mutants import COPIED
from tests.mutation.mutant import Mutant

PASSED, FAILED, INTERRUPTED = 0, 1, 2  # of pytest; a test file that cannot be imported is the last
BROKEN = 99
OUTPUT = "output.txt"
EXAMPLES = 25  # at most, for each property
# In bytes: a mutant must not take the machine down.
_LIMITS = {resource.RLIMIT_DATA: 8 << 30, resource.RLIMIT_FSIZE: 256 << 20, resource.RLIMIT_CORE: 0}

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


def run_tests(root: Path, mutant: Mutant, workspace: Path) -> None:
    """Run a mutant's tests in a project that has it, and end this process with pytest's exit status.

    workspace: an empty folder of this run's own; what is printed goes to the file OUTPUT there.
    """
    status = BROKEN
    try:
        os.setpgid(0, 0)  # so that what the tests start ends with them
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for limit, size in _LIMITS.items():
            resource.setrlimit(limit, (size, size))
        _redirect(workspace / OUTPUT)
        status = _run(root, mutant, workspace)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _run(root: Path, mutant: Mutant, workspace: Path) -> int:
    if mutant.compiled:
        root = _built_copy(root, mutant, workspace / "copy")
    else:
        sys.meta_path.insert(0, _MutantFinder(root, mutant))
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    os.chdir(root)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other packages' plugins have no part in this
    sys.path.insert(0, str(root))
    settings.register_profile("mutation", _SETTINGS)
    settings.load_profile("mutation")
    options = ["-x", "-q", "-m", "not slow", "--tb=short", "--assert=plain", "-p", "no:cacheprovider"]
    places = [f"--rootdir={root}", f"--basetemp={workspace / 'tmp'}"]
    return int(pytest.main([*options, *places, *mutant.tests], [_FewExamples]))


def _built_copy(root: Path, mutant: Mutant, copy: Path) -> Path:
    """A copy of the compiled package and its tests with the mutant in it."""
    for name in COPIED:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
        else:
            shutil.copy(root / name, copy / name)
    (copy / mutant.path).write_text(mutant.source, encoding="utf-8")
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=copy, check=True)
    return copy


def _redirect(output: Path) -> None:
    """Standard input from nowhere, both outputs to a file."""
    nothing, file = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(nothing, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
