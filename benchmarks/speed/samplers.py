"""Mels of the official architecture: time to the error of ten official Euler steps, and error after ten evaluations.

The error is the mean absolute distance, per cell in natural log, to the same model's 1000-step Euler solution from the
same noise. Everything is measured as it is timed: a run in bfloat16 has bfloat16's error too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch

from common.device import has_bfloat16
from data.filelist import read_texts
from model.sampling import SAMPLERS, Sampler
from model.style import StyleSource
from model.text_to_mel import Sampling
from speed.outcome import Outcome, Row, Settings, seconds_in_turn
from speed.peer import official_model
from synthesis.solver_file import read_solver
from synthesis.solver_search import ReferencePath, mean_error, reference_paths, text_denoiser
from synthesis.synthesiser import Synthesiser, load_model

TEXTS = "resources/filelists/synthesis.txt"
TEXT_COUNT = 3
BASELINE = 10  # official Euler steps
TEMPERATURE = 1.5
NAMED = ("euler", "euler-quad", "dpm++2m", "ddim", "ml-sde")


@dataclass(frozen=True)
class Variant:
    solver: str
    sampler: Sampler
    steps: int
    box: str  # backend and precision

    def __str__(self) -> str:
        return f"{self.solver}-{self.steps}, {self.box}"


def samplers(settings: Settings) -> Outcome:
    boxes = _boxes(settings)
    exact = boxes["torch fp32"]
    texts = read_texts(TEXTS)[: 1 if settings.quick else TEXT_COUNT]
    steps = 40 if settings.quick else 1000
    paths = reference_paths(exact, texts, steps=steps, seed=7, temperature=TEMPERATURE)
    baseline = mean_error(SAMPLERS["euler"], paths, BASELINE)

    outcome = Outcome(data={"reference_steps": steps, "texts": len(paths), "official_error": baseline, "errors": {}})
    outcome.lines.append(f"{len(paths)} texts; official Euler-{BASELINE} to Euler-{steps}: {baseline:.4f}")
    errors = {}
    for variant in _variants(settings, boxes):
        errors[variant] = _error(boxes[variant.box], texts, variant, paths)
        outcome.data["errors"][str(variant)] = errors[variant]
    at_baseline = [variant for variant in errors if variant.steps == BASELINE]
    best = min(at_baseline, key=errors.get)
    for variant in sorted(errors, key=errors.get):
        outcome.lines.append(f"  {variant}: error {errors[variant] / baseline:.2f} of it")

    equal = [variant for variant, error in errors.items() if error <= baseline]
    fewest = {box: min((v for v in equal if v.box == box), key=lambda v: v.steps, default=None) for box in boxes}
    candidates = [variant for variant in fewest.values() if variant is not None]
    times = _seconds(settings, exact, boxes, texts, candidates)
    outcome.data["seconds"] = times
    for name, value in times.items():
        outcome.lines.append(f"  {name}: {1000 * value:.0f} ms for all texts, {times['official'] / value:.2f}x")
    fastest = min((str(variant) for variant in candidates), key=times.get, default="official")
    ratio = times["official"] / times[fastest]
    share = errors[best] / baseline
    outcome.rows = [
        Row(f"mel, official architecture, error of Euler-{BASELINE} ({fastest}): time ratio", ratio, 2, 4),
        Row(f"its error at {BASELINE} evaluations ({best}), share of Euler's", share, 0.5, 0.2, "", False),
    ]
    return outcome


def _boxes(settings: Settings) -> dict[str, Synthesiser]:
    """The model as each backend runs it."""
    from synthesis.backends.choice import choose_backend

    boxes = {"torch fp32": load_model(settings.official, device="cpu")}
    if has_bfloat16(torch.device("cpu")):
        boxes["torch bf16"] = load_model(settings.official, device="cpu", precision="bf16")
    if choose_backend("auto", torch.device("cpu"), "auto") == "openvino":
        graphs = settings.out / "graphs"
        boxes["openvino bf16"] = load_model(
            settings.official, device="cpu", precision="bf16", backend="openvino", graphs=graphs
        )
    return boxes


def _variants(settings: Settings, boxes: dict[str, Synthesiser]) -> Iterator[Variant]:
    counts = (4, BASELINE) if settings.quick else range(2, BASELINE + 1)
    for box in boxes:
        for name in NAMED:
            for steps in counts:
                yield Variant(name, SAMPLERS[name], steps, box)
        for path in settings.solvers:
            solver = read_solver(path)
            yield Variant(path.rsplit("/", 1)[-1].removesuffix(".json"), solver.sampler(), len(solver.times), box)


def _autocast(box: Synthesiser):
    bf16 = box.precision == "bf16" and box.backend == "torch"
    return torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()


def _error(box: Synthesiser, texts: list, variant: Variant, paths: list[ReferencePath]) -> float:
    own = []
    denoisers = _denoisers(box, texts)
    with torch.no_grad(), _autocast(box):
        for path, denoiser in zip(paths, denoisers, strict=True):
            own.append(replace(path, denoiser=denoiser))
        return mean_error(variant.sampler, own, variant.steps)


def _denoisers(box: Synthesiser, texts: list) -> list:
    found = []
    for number, text in enumerate(texts):
        (request,) = box.requests([text], box.speakers[number % len(box.speakers)], None, None)
        found += [text_denoiser(box, request, encoded)[0] for encoded in request.encoded]
    return found


def _seconds(
    settings: Settings, exact: Synthesiser, boxes: dict[str, Synthesiser], texts: list, variants: list[Variant]
) -> dict[str, float]:
    """Text encoder, durations and decoder, for all texts, by side."""
    state = {name: value.clone() for name, value in exact.model.state_dict().items()}
    peer = official_model(exact.model.config, state).eval()
    inputs = []
    for number, text in enumerate(texts):
        (request,) = exact.requests([text], exact.speakers[number % len(exact.speakers)], None, None)
        speaker = request.speaker.value if len(exact.speakers) > 1 else None
        inputs += [(*exact.tensors(encoded), speaker) for encoded in request.encoded]

    def official() -> None:
        for ids, lengths, speaker in inputs:
            peer(ids, lengths, n_timesteps=BASELINE, temperature=TEMPERATURE, spk=speaker)

    def ours(variant: Variant) -> None:
        box = boxes[variant.box]
        bf16 = box.precision == "bf16" and box.backend == "torch"
        for ids, lengths, speaker in inputs:
            box.model.synthesise(
                ids,
                lengths,
                StyleSource(speaker=speaker),
                Sampling(variant.steps, TEMPERATURE, variant.sampler, autocast=torch.bfloat16 if bf16 else None),
            )

    euler = Variant("euler", SAMPLERS["euler"], BASELINE, "torch fp32")
    sides = {"official": official, str(euler): lambda: ours(euler)}
    sides |= {str(variant): (lambda variant=variant: ours(variant)) for variant in variants}
    return seconds_in_turn(sides, settings.repeats)
