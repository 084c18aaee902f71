"""What a run shows in TensorBoard: curves, and samples as pictures and audio.

Figures are drawn without a display and without pyplot's global state.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import hifigan
from common.errors import InputError, shown
from data.batching import collate
from data.dataset import Item
from hifigan import Vocoder, vocode
from model.cond_grad_tts import CondGradTTS
from model.style import StyleSource
from model.text_to_mel import Sampling, Synthesis
from params import Audio, Params
from text.front_end import FrontEnd
from training.beginning import Beginning
from training.curves import Curves
from training.saving import RunLog
from training.style_batch import labels_of

_TEXT = "The quick brown fox jumps over the lazy dog."

# Shown as a text, so that nobody has to ask whether a loss is supposed to fall.
LOSS_GUIDE = """\
| loss | starts near | should go to |
|---|---|---|
| prior | 0.5 | 0.2 or lower: half the squared error of mu in normalised cells; what is left is pitch and detail |
| duration | 1 to 3 | 0.3 or lower; 0 would be every duration right |
| voicing | 0.7 | 0.25 or lower |
| pitch | 1 | 0.4 or lower; 1 is 7 semitones. Voices that are heard with another's F0 keep it up |
| energy | 0.8 | 0.25 or lower; 1 is a standard deviation |
| mean | 0.5 | 0.08 or lower; what the network along the frames expects, half a mean square |
| diffusion | 1 | 0.4 to 0.6, and then almost flat for most of the run. **That is normal**: it is a mean over noise \
levels, most of which cannot be predicted better. Watch validation, pictures and audio instead |
| distillation | 0.3, or 0 where the text's own frames are taken | of a run with a teacher; it may rise a little |
| realism, features, critic | 0.3, 0.7, 0.5 | nowhere: two learn against each other, and at 0.5 the critic can tell \
nothing. Listen instead |
"""


class Board(Curves):
    """A run's curves, with this project's figures and samples."""

    def __init__(
        self,
        log_dir: Path,
        sample_rate: int,
        hop_length: int,
        step: int = 0,
        report: Callable[[str], None] = print,
    ) -> None:
        super().__init__(log_dir, step, report)
        self.sample_rate = sample_rate
        self.frame_seconds = hop_length / sample_rate
        self.write(lambda writer: writer.add_text("losses", LOSS_GUIDE))

    def sample(self, name: str, synthesis: Synthesis, audio: np.ndarray | None, step: int) -> None:
        """Pictures of one synthesised text, and its audio (samples,) in [-1, 1] where there is a vocoder."""
        picture = self._picture(synthesis)
        self.write(lambda writer: writer.add_image(f"{name}/mel", picture, step, dataformats="HWC"))
        if audio is not None:
            samples = audio[None]
            self.write(lambda writer: writer.add_audio(f"{name}/audio", samples, step, sample_rate=self.sample_rate))

    def _picture(self, synthesis: Synthesis) -> np.ndarray:
        """(height, width, 3) of mel, mu and alignment."""
        figure = Figure(figsize=(10, 8), layout="constrained")
        canvas = FigureCanvasAgg(figure)
        length = int(synthesis.lengths[0])
        images = (("mel", synthesis.mel[0]), ("mu", synthesis.mu[0]), ("alignment", synthesis.alignment[0]))
        for axes, (title, image) in zip(figure.subplots(3, 1, sharex=True), images, strict=True):
            cells = image[:, :length].float().cpu().numpy()
            extent = (0, length * self.frame_seconds, 0, len(cells))
            axes.imshow(cells, origin="lower", aspect="auto", interpolation="nearest", extent=extent)
            axes.set_title(title)
            axes.set_ylabel("token" if title == "alignment" else "mel bin")
        axes.set_xlabel("seconds")
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


WriteSample = Callable[[CondGradTTS, Board, int], None]


def open_board(run: Beginning, item: Item, device: torch.device, log: RunLog) -> tuple[Board, WriteSample]:
    """A run's board, and what puts samples on it; item: an utterance whose speaker and emotion they have."""
    audio = run.params.audio
    board = Board(run.log_dir, audio.sample_rate, audio.hop_length, run.step, log.line)
    write_sample = sample_writer(run.front_end, run.params, find_vocoder(audio, device, log.line), item)
    print(shown(f"curves, pictures and audio: tensorboard --logdir {run.log_dir}"))
    return board, write_sample


def find_vocoder(audio: Audio, device: torch.device, report: Callable[[str], None]) -> Vocoder | None:
    """The installed vocoder; where there is none that fits, that is reported."""
    try:
        return hifigan.load_vocoder(expect=audio).to(device)
    except InputError as error:
        report(f"no audio samples in TensorBoard: {error}")
        return None


def sample_writer(front_end: FrontEnd, params: Params, vocoder: Vocoder | None, item: Item) -> WriteSample:
    """A function that puts a sentence on the board, with the speaker and the emotion of an utterance.

    Without a vocoder there are pictures only.
    """
    ids = torch.tensor([front_end.encode(_TEXT).ids])
    lengths = torch.tensor([ids.shape[1]])
    batch = collate([item])

    @torch.no_grad()
    def write_sample(model: CondGradTTS, board: Board, step: int) -> None:
        device = model.mel_mean.device
        speaker, emotion = labels_of(batch)  # ids or embeddings, (1,) or (1, width)
        synthesis = model.synthesise(
            ids.to(device),
            lengths.to(device),
            StyleSource(speaker=speaker.to(device), emotion=emotion.to(device)),
            Sampling(
                params.inference.steps,
                params.inference.temperature,
                params.inference.sampler,
                generator=torch.Generator().manual_seed(0),
            ),
        )
        audio = None if vocoder is None else vocode(vocoder, synthesis.mel)[0].cpu().numpy()
        board.sample("sample", synthesis, audio, step)

    return write_sample
