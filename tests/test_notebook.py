"""The documentation's notebook: as it is kept, and anew."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile

from .notebook import NOTEBOOK, ROOT, executed

MOST_AUDIO = 1_000_000  # bytes, of all players together, as the page holds them


def outputs(notebook: dict) -> list[list[dict]]:
    """Of each code cell."""
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def sounds(notebook: dict) -> list[str]:
    """Of the players, as base64."""
    html = ["".join(output.get("data", {}).get("text/html", "")) for cell in outputs(notebook) for output in cell]
    return re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', "".join(html))


def pictures(notebook: dict) -> int:
    return sum("image/png" in output.get("data", {}) for cell in outputs(notebook) for output in cell)


def printed(notebook: dict) -> str:
    return "".join("".join(output.get("text", "")) for cell in outputs(notebook) for output in cell)


@pytest.fixture(scope="module")
def kept() -> dict:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def test_the_notebook_is_kept_as_it_was_executed(kept):
    code = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert {output["output_type"] for cell in outputs(kept) for output in cell} <= {"execute_result", "stream"}
    assert pictures(kept) >= 4 and len(sounds(kept)) == 8
    assert str(ROOT) not in NOTEBOOK.read_text(encoding="utf-8")


def test_its_players_are_small_and_play(kept):
    assert sum(map(len, sounds(kept))) < MOST_AUDIO
    for sound in sounds(kept):
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound)))
        assert rate == 22050 and 2 < len(samples) / rate < 8 and np.abs(samples).max() > 0.1


@pytest.mark.slow
def test_the_notebook_runs_anew(kept):
    pytest.importorskip("nbclient", reason="no nbclient here: pip install -e .[docs]")
    anew = executed()
    assert pictures(anew) == pictures(kept)
    lengths = [
        [soundfile.info(io.BytesIO(base64.b64decode(sound))).duration for sound in sounds(notebook)]
        for notebook in (kept, anew)
    ]
    assert lengths[1] == pytest.approx(lengths[0], abs=0.1)
    numbers = [[float(number) for number in re.findall(r"\d+\.\d+", printed(notebook))] for notebook in (kept, anew)]
    assert len(numbers[0]) > 8 and numbers[1] == pytest.approx(numbers[0], abs=0.15)
