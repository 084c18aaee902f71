"""What one visitor has: a folder of what was spoken, as `inference.py` would leave it, until the visit ends."""

from __future__ import annotations

import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.errors import InputError
from data.audio import write_wav
from studio.command_line import command_of_pair, command_of_take
from studio.pair import PairTake
from studio.take import Take
from studio.wish import Style
from synthesis.contour_file import write_contour
from synthesis.notes import recording_warnings, style_sources
from synthesis.report import Report
from synthesis.result import Result
from synthesis.synthesiser import Synthesiser
from synthesis.two_styles import write_mask

MOST_VISITS = 50  # at a time; the oldest ends when there is one more
MOST_RESULTS = 50  # kept for the download; the oldest go first
MOST_SENTENCES = 100
RUN = "studio-run"
VISIT_ENDED = "this visit has ended; load the page again"


class Session:
    """Everything that a visit keeps lies in one folder of its own; `close` removes it.

    A visitor may ask for the download while something is spoken: what changes the folder is done one after another.
    """

    def __init__(self, root: str | Path, synthesiser: Synthesiser, checkpoint: str, vocoder: str | None = None) -> None:
        """root: where the folder is made. checkpoint, vocoder: what `inference.py` takes."""
        self.folder = Path(tempfile.mkdtemp(prefix="visit-", dir=root))
        self._run = self.folder / RUN
        self._run.mkdir()
        self._synthesiser, self._checkpoint = synthesiser, checkpoint
        self._model = ["-c", checkpoint, *(["--vocoder", vocoder] if vocoder is not None else [])]
        self._kept: dict[int, list[tuple[Result, Path]]] = {}
        self._commands: dict[int, str] = {}
        self._adopted: dict[Path, Path] = {}  # recordings as they were given, and as they are kept
        self._warnings: dict[Path, list[str]] = {}  # of recordings
        self._count = self._sentences = 0
        self._numbers: dict[Take, int] = {}  # of the take and the one before
        self.take: Take | None = None
        self.before: Take | None = None
        self._pair_number: int | None = None
        self.closed = False
        self._changing = threading.Lock()

    def close(self) -> None:
        with self._changing:
            self.closed = True
            self.take = self.before = None
            self._kept, self._numbers = {}, {}
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Inside, nothing else changes the visit. Raises InputError if it has ended: its page was closed."""
        with self._changing:
            if self.closed:
                raise InputError(VISIT_ENDED)
            yield

    @property
    def has_pair(self) -> bool:
        return self._pair_number is not None

    # ------------------------------------------------------------------ keeping

    def has(self, recording: str | Path) -> bool:
        """Whether a recording that was given is among the files of the run, wherever it came from is still there."""
        return Path(recording) in self._adopted

    def adopt(self, recording: str | Path) -> Path:
        """A recording that was given, among the files of the run."""
        recording = Path(recording)
        with self._open():
            if recording not in self._adopted:
                own = self._run / f"recording-{len(self._adopted) + 1}{recording.suffix}"
                shutil.copyfile(recording, own)
                self._adopted[recording] = own
            return self._adopted[recording]

    def notes(self, style: Style, style_b: Style | None = None) -> tuple[list[str], list[str]]:
        """What comes from where, and what is wrong with the recordings, in the words of `inference.py`; a line each."""
        b = None if style_b is None else style_b.given(names_only=True)
        warnings: list[str] = []
        for path in dict.fromkeys([*style.recordings, *(style_b.recordings if style_b else ())]):
            if path not in self._warnings:
                self._warnings[path] = [line.replace(str(path), path.name, 1) for line in recording_warnings([path])]
            warnings += self._warnings[path]
        return style_sources(self._synthesiser, style.given(names_only=True), b), warnings

    def keep_take(self, take: Take) -> tuple[Path, str]:
        """A take joins the run: its wav, and the command line that does the same."""
        with self._open():
            number = self._next()
            wav = self._keep(number, "", take.result)
            contour = f"{number:04d}_contour.csv"
            if take.melody is not None:
                melody = take.melody if take.contour is None else np.array(take.contour.hz)
                write_contour(self._run / contour, melody, self._synthesiser.frame_seconds)
            command = command_of_take(self._synthesiser, self._model, take, contour)
            self._commands[number] = command
            self.before, self.take = self.take, take
            self._numbers = {kept: self._numbers[kept] for kept in (self.before,) if kept is not None} | {take: number}
            return wav, command

    def wav_of(self, take: Take) -> Path:
        """Of the take or the one before; likewise the two below."""
        return self._run / f"{self._numbers[take]:04d}.wav"

    def contour_of(self, take: Take) -> Path | None:
        path = self._run / f"{self._numbers[take]:04d}_contour.csv"
        return path if path.exists() else None

    def command_of(self, take: Take) -> str:
        return self._commands[self._numbers[take]]

    def keep_sentence(self, audio: np.ndarray, sample_rate: int) -> Path:
        """A sentence for listening alone; those of the text before go."""
        with self._open():
            for old in sorted(self.folder.glob("sentence-*.wav"))[:-MOST_SENTENCES]:
                old.unlink()
            self._sentences += 1
            path = self.folder / f"sentence-{self._sentences:06d}.wav"
            write_wav(path, audio, sample_rate)
            return path

    def keep_pair(self, pair: PairTake) -> tuple[dict[str, Path], str]:
        """A pair joins the run: its wavs by ending, and the command line."""
        with self._open():
            number = self._next()
            wavs = {ending: self._keep(number, f"_{ending}", result) for ending, result in pair.results.items()}
            write_mask(self._run / f"{number:04d}_mask.npy", pair.pair)
            own = self._synthesiser.params.interpolation
            command = command_of_pair(
                self._model, pair.wish, pair.style_b, pair.kinds, pair.pair.lead, pair.options, own
            )
            self._commands[number] = command
            self._pair_number = number
            return wavs, command

    def _next(self) -> int:
        self._count += 1
        # The take that is shown and the one before can be gone back to.
        droppable = sorted(self._kept.keys() - self._numbers.values())
        for number in droppable[: max(0, len(self._kept) + 1 - MOST_RESULTS)]:
            del self._kept[number]
            self._commands.pop(number, None)  # there is none where its files could not be written
            for path in self._run.glob(f"{number:04d}*"):
                path.unlink(missing_ok=True)
        return self._count - 1

    def _keep(self, number: int, ending: str, result: Result) -> Path:
        wav = self._run / f"{number:04d}{ending}.wav"
        write_wav(wav, result.audio, result.sample_rate)
        self._kept.setdefault(number, []).append((_without_sound(replace(result, index=number)), wav))
        return wav

    # ---------------------------------------------------------------- as a folder

    def write_run(self) -> Path:
        """report.json and commands.txt beside the wavs; the folder.

        Raises:
            InputError: nothing was spoken yet.
        """
        with self._open():
            return self._write_run()

    def _write_run(self) -> Path:
        if not self._kept:
            raise InputError("nothing was spoken yet; speak a sentence first")
        self._write_report(self._run, self._kept)
        lines = [f"# {number:04d}\n{command}\n" for number, command in self._commands.items()]
        (self._run / "commands.txt").write_text("\n".join(lines), encoding="utf-8")
        return self._run

    def write_last_pair(self) -> Path:
        """The pair that was spoken last, alone in a folder of its own. Raises InputError if it is no longer kept."""
        with self._open():
            number = self._pair_number
            if number not in self._kept:
                raise InputError("the pair is not there any more; speak it again")
            folder = self.folder / "last"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for path in self._run.glob(f"{number:04d}*"):
                shutil.copyfile(path, folder / path.name)
            self._write_report(folder, [number])
            return folder

    def _write_report(self, folder: Path, numbers: Iterable[int]) -> None:
        warnings = [line for lines in self._warnings.values() for line in lines]
        report = Report(folder / "report.json", {"checkpoint": self._checkpoint, "made by": "the studio"}, warnings)
        for number in numbers:
            for result, wav in self._kept[number]:
                report.add(result, folder / wav.name)
        report.write()

    def download(self) -> Path:
        """A zip of the run. Raises InputError if nothing was spoken yet."""
        with self._open():
            run = self._write_run()
            for old in self.folder.glob("*.zip"):
                old.unlink()
            path = self.folder / f"{RUN}-{self._count}.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(run.iterdir()):
                    archive.write(file, f"{RUN}/{file.name}")
            return path


def _without_sound(result: Result) -> Result:
    """What a report says of a result, in a few bytes: the sound itself is a file."""
    arrays = {name: getattr(result, name) for name in ("audio", "mel", "mu")}
    return replace(result, **{name: np.broadcast_to(np.float32(0), array.shape) for name, array in arrays.items()})
