"""Many-step solutions of texts, for tuning and measuring solvers."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from data.filelist import TextLine
from model.denoiser import Denoiser
from model.noise import frame_normal
from synthesis.synthesiser import Request, Synthesiser, piece_generator
from synthesis.tuning import ReferencePath, reference_path
from text.front_end import EncodedText

KEPT = 200  # latents of a path at most


@torch.no_grad()
def text_denoiser(
    synthesiser: Synthesiser, request: Request, encoded: EncodedText
) -> tuple[Denoiser, torch.Tensor, torch.Tensor]:
    """The denoiser of a text in the request's style, with its mu (1, 80, T) and mask (1, 1, T)."""
    model, style = synthesiser.model, synthesiser.style_of(request)
    frames = model.spread(model.encode(*synthesiser.tensors(encoded), style))
    return model.denoiser(frames, style), frames.mu, frames.mask


@torch.no_grad()
def reference_paths(
    synthesiser: Synthesiser,
    texts: Iterable[str | TextLine],
    *,
    steps: int,
    seed: int,
    temperature: float | None = None,
) -> list[ReferencePath]:
    """One path for each piece of the texts, solved by the model's own sampler from noise that seed and place decide.

    The speakers take turns. temperature: None for the checkpoint's.
    """
    if temperature is None:
        temperature = synthesiser.params.inference.temperature
    names = synthesiser.speakers
    paths = []
    for number, text in enumerate(texts):
        (request,) = synthesiser.requests([text], names[number % len(names)], None, None)
        for place, encoded in enumerate(request.encoded):
            denoiser, mu, mask = text_denoiser(synthesiser, request, encoded)
            noise = frame_normal(mu, piece_generator(seed, number, place)).to(mu.device)
            sampler = synthesiser.model.usual_sampler
            kept = min(KEPT, steps)
            paths.append(reference_path(denoiser, sampler, noise, mu, mask, temperature, steps, kept))
    return paths
