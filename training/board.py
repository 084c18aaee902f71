"""What a run shows in TensorBoard. Figures are drawn without a display and without pyplot's global state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model.text_to_mel import Synthesis
from training.curves import Curves

# Shown as a text, so that nobody has to ask whether a loss is supposed to fall.
LOSS_GUIDE = """\
| loss | starts near | should go to |
|---|---|---|
| prior | 0.5 | 0.2 or lower: half the squared error of mu in normalised cells; what is left is pitch and detail |
| duration | 1 to 3 | 0.3 or lower; 0 would be every duration right |
| voicing | 0.7 | 0.25 or lower |
| pitch | 1 | 0.4 or lower; 1 is 7 semitones. Voices that are heard with another's F0 keep it up |
| energy | 0.8 | 0.25 or lower; 1 is a standard deviation |
| diffusion | 1 | 0.4 to 0.6, and then almost flat for most of the run. **That is normal**: it is a mean over noise \
levels, most of which cannot be predicted better. Watch validation, pictures and audio instead |
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
            shown = image[:, :length].float().cpu().numpy()
            extent = (0, length * self.frame_seconds, 0, len(shown))
            axes.imshow(shown, origin="lower", aspect="auto", interpolation="nearest", extent=extent)
            axes.set_title(title)
            axes.set_ylabel("token" if title == "alignment" else "mel bin")
        axes.set_xlabel("seconds")
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()
