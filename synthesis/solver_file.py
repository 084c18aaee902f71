"""Fitted solvers as JSON files: `{"times": [...], "weights": [[...], ...]}`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from common.errors import InputError
from common.files import read_json, replacing
from model.fitted_solver import FittedSolver


def read_solver(path: str | os.PathLike) -> FittedSolver:
    """Raises InputError if the file is missing or holds no solver."""
    try:
        content = read_json(path)
        return FittedSolver(
            times=tuple(float(time) for time in content["times"]),
            weights=tuple(tuple(float(weight) for weight in row) for row in content["weights"]),
        )
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"{path} is not a fitted solver: it lacks {error}; use synthesis.fit_solver") from error
    except (ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not a fitted solver ({reason}); fit one with synthesis.fit_solver") from error


def write_solver(path: str | os.PathLike, solver: FittedSolver, about: Mapping[str, Any]) -> None:
    """about: whatever says what the solver was fitted to. Raises InputError if the place cannot be written to."""
    content = {**asdict(solver), "about": dict(about)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
