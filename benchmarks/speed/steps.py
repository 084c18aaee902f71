"""The default model from text to wav: its default number of steps against 50, with the quality of both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from data.filelist import read_texts
from speed.in_turn import seconds_in_turn
from speed.outcome import Outcome, Row, Settings
from synthesis.synthesiser import load_model

TEXTS = "resources/filelists/synthesis.txt"
HELD_OUT = "resources/texts/held_out.txt"
MANY = 50
SENTENCES = 20  # that both numbers of steps speak


def run(settings: Settings) -> Outcome:
    box = load_model(settings.checkpoint, device="cpu", precision="auto")
    few = box.params.inference.steps
    many = few + 1 if settings.quick else MANY
    texts = read_texts(TEXTS)[: 1 if settings.quick else None]
    sides = {
        str(steps): lambda steps=steps: list(box.synthesise_each(texts, box.options(steps=steps)))
        for steps in (few, many)
    }
    times = seconds_in_turn(sides, settings.repeats)
    ratio = times[str(many)] / times[str(few)]
    outcome = Outcome([Row(f"default model, text to wav, {few} steps: time ratio to {many}", ratio, 4, 15)])
    outcome.data = {"seconds": times}
    if not settings.quick:
        outcome.lines = _quality(settings, few, many)
    return outcome


def _quality(settings: Settings, few: int, many: int) -> list[str]:
    """evaluate.py's table of the first held-out sentences, spoken with both numbers of steps."""
    texts = settings.out / "held_out.txt"
    lines = Path(HELD_OUT).read_text(encoding="utf-8").splitlines()
    texts.write_text("".join(f"{line.partition('|')[2]}\n" for line in lines[:SENTENCES]), encoding="utf-8")
    runs = {steps: settings.out / f"steps_{steps}" for steps in (few, many)}
    for steps, folder in runs.items():
        _call("inference.py", "-f", texts, "-c", settings.checkpoint, "-t", steps, "-o", folder, "--device", "cpu")
    return _call("evaluate.py", runs[few], "--baseline", runs[many], "--asr", "base").splitlines()


def _call(script: str, *arguments: object) -> str:
    command = [sys.executable, script, *(str(argument) for argument in arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
