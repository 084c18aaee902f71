"""Samples of a run, as pictures and audio."""

from __future__ import annotations

from collections.abc import Callable

import torch

from model.cond_grad_tts import CondGradTTS
from model.style import StyleSource
from params import Params
from text.front_end import FrontEnd
from training.board import Board

_TEXT = "The quick brown fox jumps over the lazy dog."
_STEPS = 6


def make_listener(
    front_end: FrontEnd, params: Params, vocoder: torch.nn.Module, speakers: list[str]
) -> Callable[[CondGradTTS, Board, int], None]:
    """A function that puts a sentence in two voices on the board; vocoder: mel (1, n_mels, T) -> audio (1, samples)."""
    ids = torch.tensor([front_end.encode(_TEXT).ids])
    lengths = torch.tensor([ids.shape[1]])

    @torch.no_grad()
    def listen(model: CondGradTTS, board: Board, step: int) -> None:
        device = model.mel_mean.device
        for speaker in (0,):
            style = StyleSource(
                speaker=torch.tensor([speaker], device=device), emotion=torch.tensor([0], device=device)
            )
            synthesis = model.synthesise(
                ids.to(device),
                lengths.to(device),
                style,
                _STEPS,
                temperature=params.inference.temperature,
                generator=torch.Generator().manual_seed(0),
            )
            audio = vocoder(synthesis.mel)[0].float().cpu().numpy()
            board.sample(speakers[speaker], synthesis, audio, step)

    return listen
