"""Nothing in a file runs, nothing is written elsewhere, nothing needs a display."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import inference
import train_multi_speaker

from .sources import PACKAGES, sources
from .tiny_corpus import write_corpus
from .tiny_synthesiser import write_tiny_files
from .training_process import arguments

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sources(*PACKAGES, "benchmarks")


def uses(path: Path) -> set[str]:
    """Dotted names that a file imports or calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif isinstance(node, ast.Call):
            found.add(ast.unparse(node.func))
    return found


def test_the_sources_are_found():
    assert len(SOURCES) > 100 and "torch" in uses(ROOT / "training" / "trainer.py")


FORBIDDEN = {
    "drawing with global state": {"matplotlib.pyplot", "pylab", "matplotlib.use", "tkinter"},
    "running code from data": {
        "exec", "eval", "pickle.load", "pickle.loads", "os.system", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader",
        "joblib.load", "dill.load", "runpy.run_path",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_source_does(kind):
    assert {path.name: names for path in SOURCES if (names := uses(path) & FORBIDDEN[kind])} == {}


def test_every_file_of_tensors_is_read_without_running_it():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load"):
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                safe = {"torch.load": ("weights_only", "True"), "np.load": ("allow_pickle", "False")}
                name, value = safe[ast.unparse(node.func)]
                # numpy's own default is the safe one.
                assert options.get(name, value if name == "allow_pickle" else None) == value, path


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"])
def test_a_configuration_runs_nothing(tmp_path, capsys, tag):
    (tmp_path / "bad.yaml").write_text(f"train:\n  steps: {tag} ['{tmp_path / 'executed'}']\n")
    assert train_multi_speaker.main(["--config", str(tmp_path / "bad.yaml")]) == 2
    assert "bad.yaml" in capsys.readouterr().err
    assert train_multi_speaker.main([f"train.steps={tag} ['{tmp_path / 'executed'}']"]) == 2
    assert not (tmp_path / "executed").exists()


_DRAW = """
import sys, threading
import torch
from model.text_to_mel import Synthesis
from training.board import Board
from pathlib import Path
one = torch.ones(1, 5, dtype=torch.long)
synthesis = Synthesis(torch.rand(1, 80, 5), torch.rand(1, 80, 5), torch.eye(5)[None], one, torch.tensor([5]), 1)
board = Board(Path(sys.argv[1]), 22050, 256)
threads = [threading.Thread(target=board.sample, args=(f"s{i}", synthesis, None, 1)) for i in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
board.close()
import synthesis.plots, synthesis.pair_plots, evaluation.pictures
assert "matplotlib.pyplot" not in sys.modules and "tkinter" not in sys.modules
print("drawn")
"""


def test_pictures_are_drawn_without_a_display_in_any_thread(tmp_path):
    environment = {"PATH": "", "MPLBACKEND": "TkAgg", "MPLCONFIGDIR": str(tmp_path)}  # and no DISPLAY
    done = subprocess.run(
        [sys.executable, "-c", _DRAW, str(tmp_path / "log")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "drawn\n", done.stderr
    assert "Traceback" not in done.stderr


EVIL = ("../../evil", "/evil", "..", "a/../../b", "C:\\evil", "$(touch evil)", "`touch evil`", "-rf", "~/evil", "<b>e")


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*")}


def test_speaking_writes_nothing_outside_its_folder(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    models = write_tiny_files(tmp_path / "models", "x\n")
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"Hello {name}|anna\n{name} hello.|{name}\n" for name in EVIL))
    work = tmp_path / "work" / "deep"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    before = files(tmp_path)
    options = ["-c", models.checkpoint, "--vocoder", models.vocoder, "-f", texts, "-o", "out", "-t", 1]
    assert inference.main([str(option) for option in options]) == 3
    new = files(tmp_path) - before
    assert len([path for path in new if path.suffix == ".wav"]) == len(EVIL)
    assert all(path.is_relative_to(work / "out") for path in new)


def test_training_writes_nothing_outside_its_folders(tmp_path, monkeypatch):
    corpus = write_corpus(tmp_path / "corpus")
    lines = (corpus / "train.txt").read_text().splitlines()
    renamed = [
        "|".join([*line.split("|")[:2], EVIL[i % len(EVIL)].replace("|", ""), EVIL[-1 - i % len(EVIL)]])
        for i, line in enumerate(lines)
    ]
    (corpus / "train.txt").write_text("\n".join(renamed))
    monkeypatch.setattr("hifigan.load_vocoder", lambda *_, **__: (_ for _ in ()).throw(inference.InputError("none")))
    before = files(tmp_path)
    argv = arguments(corpus, tmp_path / "log", steps=1, precision="fp32", cache_dir=str(tmp_path / "cache"))
    assert train_multi_speaker.main(argv) == 0
    new = files(tmp_path) - before
    assert new and all(path.is_relative_to(tmp_path / "log") or path.is_relative_to(tmp_path / "cache") for path in new)
