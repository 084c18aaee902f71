"""Runs the official Grad-TTS code of .peer/ on given weights and inputs; a process of its own.

    PYTHONPATH=.peer python tests/peer/run_official.py CASES.pt RESULTS.npz

CASES.pt is {"state": state dict, "n_speakers": int, "cases": {name: case}}. A case has "kind" ("synthesis", "losses",
"encoder" or "score"), "seed", "drawn" (how many random doubles are taken before), and "inputs", the keyword arguments
of the official method. RESULTS.npz has "NAME/OUTPUT".
"""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import torch
from torch import Tensor


def import_official() -> type:
    """The official GradTTS class.

    Its text front end, which needs packages that the model does not, is represented by an empty one.
    """
    text = types.ModuleType("grad_tts.text")
    symbols = types.ModuleType("grad_tts.text.symbols")
    text.__path__, symbols.symbols = [], []
    sys.modules.update({"grad_tts.text": text, "grad_tts.text.symbols": symbols})
    from grad_tts.model.tts import GradTTS

    return GradTTS


def run(model: Any, kind: str, inputs: dict[str, Any]) -> dict[str, Tensor]:
    if kind == "synthesis":
        mu, mel, alignment = model(**inputs)
        return {"mu": mu, "mel": mel, "alignment": alignment.squeeze(1)}
    if kind == "losses":
        duration, prior, diffusion = model.compute_loss(**inputs)
        return {"duration": duration, "prior": prior, "diffusion": diffusion}
    if kind == "encoder":
        mu, log_durations, mask = model.encoder(**inputs)
        return {"mu": mu, "log_durations": log_durations, "mask": mask}
    if kind == "score":
        return {"score": model.decoder.estimator(**inputs)}
    raise ValueError(kind)


def main(cases_path: str, results_path: str) -> None:
    given = torch.load(cases_path, weights_only=True)
    model = import_official()(n_vocab=len(given["state"]["encoder.emb.weight"]), n_spks=given["n_speakers"])
    model.load_state_dict(given["state"], strict=True)
    model.eval()
    results = {}
    for name, case in given["cases"].items():
        torch.manual_seed(case["seed"])
        torch.rand(case["drawn"], dtype=torch.float64)
        for output, value in run(model, case["kind"], case["inputs"]).items():
            results[f"{name}/{output}"] = value.detach().numpy()
    np.savez(results_path, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
