"""What a run puts on its board: curves, and samples as pictures and audio."""

from __future__ import annotations

from collections.abc import Callable

import torch

import hifigan
from common.errors import InputError, shown
from data.batching import collate
from data.dataset import Item
from hifigan import Vocoder, vocode
from model.cond_grad_tts import CondGradTTS
from model.style import StyleSource
from model.text_to_mel import Sampling
from params import Audio, Params
from text.front_end import FrontEnd
from training.beginning import Beginning
from training.board import Board
from training.saving import RunLog
from training.style_batch import labels_of

_TEXT = "The quick brown fox jumps over the lazy dog."
_STEPS = 6


Listener = Callable[[CondGradTTS, Board, int], None]


def open_board(run: Beginning, item: Item, device: torch.device, log: RunLog) -> tuple[Board, Listener]:
    """A run's board, and what puts samples on it; item: an utterance whose speaker and emotion they have."""
    audio = run.params.audio
    board = Board(run.log_dir, audio.sample_rate, audio.hop_length, run.step, log.line)
    listen = make_listener(run.front_end, run.params, find_vocoder(audio, device, log.line), item)
    print(shown(f"curves, pictures and audio: tensorboard --logdir {run.log_dir}"))
    return board, listen


def find_vocoder(audio: Audio, device: torch.device, report: Callable[[str], None]) -> Vocoder | None:
    """The installed vocoder; where there is none that fits, that is reported."""
    try:
        return hifigan.load_vocoder(expect=audio).to(device)
    except InputError as error:
        report(f"no audio samples in TensorBoard: {error}")
        return None


def make_listener(front_end: FrontEnd, params: Params, vocoder: Vocoder | None, item: Item) -> Listener:
    """A function that puts a sentence on the board, with the speaker and the emotion of an utterance.

    Without a vocoder there are pictures only.
    """
    ids = torch.tensor([front_end.encode(_TEXT).ids])
    lengths = torch.tensor([ids.shape[1]])
    batch = collate([item])

    @torch.no_grad()
    def listen(model: CondGradTTS, board: Board, step: int) -> None:
        device = model.mel_mean.device
        speaker, emotion = labels_of(batch)  # ids or embeddings, (1,) or (1, width)
        synthesis = model.synthesise(
            ids.to(device),
            lengths.to(device),
            StyleSource(speaker=speaker.to(device), emotion=emotion.to(device)),
            Sampling(_STEPS, params.inference.temperature, generator=torch.Generator().manual_seed(0)),
        )
        audio = None if vocoder is None else vocode(vocoder, synthesis.mel)[0].cpu().numpy()
        board.sample("sample", synthesis, audio, step)

    return listen
