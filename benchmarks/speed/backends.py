"""The default model from text to wav: real-time factor by backend and precision."""

from __future__ import annotations

import torch

from common.errors import InputError
from data.filelist import read_texts
from speed.in_turn import seconds_in_turn
from speed.outcome import Outcome, Row, Settings
from synthesis.device import has_bfloat16
from synthesis.synthesiser import Synthesiser, load_model

TEXTS = "resources/filelists/synthesis.txt"


def run(settings: Settings) -> Outcome:
    outcome, boxes = Outcome(), {}
    for backend, precision in (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "bf16")):
        if precision == "bf16" and not has_bfloat16(torch.device("cpu")):
            continue
        try:
            boxes[f"{backend} {precision}"] = load_model(
                settings.checkpoint, device="cpu", backend=backend, precision=precision, graphs=settings.out / "graphs"
            )
        except InputError as error:
            outcome.lines.append(f"  without {backend}: {error}")
    texts = read_texts(TEXTS)[: 1 if settings.quick else None]

    def speak(box: Synthesiser) -> list:
        return list(box.synthesise_each(texts, box.options()))

    results = {name: speak(box) for name, box in boxes.items()}
    audio = sum(result.seconds for result in results["torch fp32"])
    times = seconds_in_turn({name: (lambda box=box: speak(box)) for name, box in boxes.items()}, settings.repeats)
    for name, value in times.items():
        first = sum(result.mel_seconds + result.vocoder_seconds for result in results[name])
        change = max(
            abs(float((a.mel - b.mel).mean())) for a, b in zip(results[name], results["torch fp32"], strict=True)
        )
        outcome.data[name] = {"rtf": value / audio, "first_rtf": first / audio, "mean_mel_change": change}
        outcome.lines.append(f"  {name}: RTF {value / audio:.3f} (the first time {first / audio:.3f})")
    best = min(times, key=times.get)
    outcome.rows = [Row(f"default model, text to wav, {best}: RTF", times[best] / audio, 0.35, 0.2, "", False)]
    return outcome
