"""Teach a quicker vocoder the waveform of another.

    python -m hifigan.distil recordings/ more.txt --checkpoint checkpts/default.pt --texts texts.txt --out logs/distil

Recordings are folders of audio, files, or filelists (`wav_path|...`); nothing but their sound is read. With a
checkpoint its predicted mels of the texts are taught too, in all its voices and emotions. The teacher, HiFi-GAN V1,
always gives the same samples for a mel, so the student regresses them: no discriminator. OUT receives `vocoder.pt`
(for `--vocoder`), `state.pt` and `log.jsonl`; run the same command again to resume.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from common.arguments import Parser, folder, whole
from common.errors import InputError, reports_input_errors, shown
from common.files import in_use
from common.processes import stopping_on_signals
from data.audio import AUDIO_SUFFIXES, read_audio
from data.checkpoint_file import load_optimizer, read_checkpoint, restoring, write_checkpoint
from data.filelist import read_filelist, read_texts
from data.mel import mel_spectrogram
from hifigan.distilled import Rest, file_content, new_rest, read_distilled
from hifigan.generator import Generator
from hifigan.muon import Muon
from hifigan.vocoder import load_vocoder
from params import Audio
from training.saving import counted

Mels = Callable[[random.Random], np.ndarray]  # draws a mel, (n_mels, T)
Passage = tuple[Tensor, Tensor]  # features (C, T * rate) bfloat16, and the teacher's audio (T * hop,)

PASSAGE_FRAMES = 256  # at most, of what the teacher is asked for at a time
CROP_FRAMES = 64
SPEEDS = (0.72, 1.35)  # recordings are played so much quicker: other voices out of the ones that are there
SPEED_SHARE = 0.6
QUIETEST = 14.0  # dB below full scale, of a recording's peak
PREDICTED_SHARE = 0.3  # of the passages, where there is a checkpoint
COMPLEX_SIZES, LOG_SIZES = (64, 256, 1024), (256, 1024)  # samples of the windows
LOG_WEIGHT = 0.4
FALL = 0.4  # the last share of the steps, over which the rates fall to 0
WARMUP = 30  # steps
MUON_RATE, ADAM_RATE = 0.01, 1e-3


class Distillation:
    """The student's network, its optimizer and one step of training."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest.train()
        inner = [p for name, p in rest.named_parameters() if name.startswith("blocks.") and p.dim() == 3]
        chosen = {id(p) for p in inner}
        outer = [p for p in rest.parameters() if id(p) not in chosen]
        self.optimizer = Muon([{"params": inner, "orthogonal": True}, {"params": outer}], betas=(0.8, 0.99))
        self.steps = 0

    def step(self, features: Tensor, wanted: Tensor, scale: float) -> dict[str, float]:
        """features (B, C, T), wanted (B, T * samples); scale: of the learning rates."""
        with torch.autocast("cpu", torch.bfloat16):
            given = self.rest(features.float())  # (B, 1, T * samples)
        # What the samples at the ends of a crop depend on is cut off.
        cut = min(self.rest.radius, features.shape[2] // 4) * wanted.shape[1] // features.shape[2]
        parts = losses(given.float().squeeze(1)[:, cut:-cut], wanted[:, cut:-cut])
        total = parts["wave"] + parts["complex"] + LOG_WEIGHT * parts["log"]
        self.optimizer.zero_grad()
        for group in self.optimizer.param_groups:
            group["lr"] = scale * (MUON_RATE if group["orthogonal"] else ADAM_RATE)
        total.backward()
        self.optimizer.step()
        self.steps += 1
        return {name: part.item() for name, part in parts.items()}

    def save(self, folder: Path) -> None:
        state = {"rest": self.rest.state_dict(), "optimizer": self.optimizer.state_dict()}
        # A run with a state needs the vocoder, which has its sizes, so the state comes last.
        write_checkpoint(folder / "vocoder.pt", file_content(self.rest))
        write_checkpoint(folder / "state.pt", {**state, "steps": self.steps})

    def resume(self, path: Path) -> None:
        state = read_checkpoint(path, "training state")
        with restoring(path):
            self.rest.load_state_dict(state["rest"])
            load_optimizer(self.optimizer, state["optimizer"])
            self.steps = counted(state["steps"])


def losses(given: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """(B, N) each -> mean absolute differences of the samples and of short-time spectra, by the mean size of what is
    wanted, and of log magnitudes.
    """
    parts = {"wave": functional.l1_loss(given, wanted) / wanted.abs().mean().clamp(min=1e-6)}
    distances, levels = [], []
    for size in sorted({*COMPLEX_SIZES, *LOG_SIZES}):
        a, b = spectrum(given, size), spectrum(wanted, size)
        if size in COMPLEX_SIZES:
            distances.append(magnitude(a - b, 1e-8).mean() / b.abs().mean().clamp(min=1e-6))
        if size in LOG_SIZES:
            levels.append((magnitude(a, 1e-6).log() - magnitude(b, 1e-6).log()).abs().mean())
    return {**parts, "complex": torch.stack(distances).mean(), "log": torch.stack(levels).mean()}


def spectrum(audio: Tensor, size: int) -> Tensor:
    """(B, N) -> (B, bins, T) complex."""
    return torch.stft(audio, size, size // 4, window=torch.hann_window(size), center=False, return_complex=True)


def magnitude(x: Tensor, floor: float) -> Tensor:
    # The floor is under the root so that the gradient stays finite in silence.
    return torch.sqrt(x.real**2 + x.imag**2 + floor)


def find_recordings(given: list[str]) -> list[Path]:
    """Audio files of folders, of filelists, and as named.

    Raises:
        InputError: a place is missing, or there is no audio in all of them.
    """
    found: list[Path] = []
    for place in map(Path, given):
        if place.is_dir():
            audio = (path for path in place.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
            found += sorted(path for path in audio if path.is_file())
        elif place.suffix.lower() in AUDIO_SUFFIXES:
            if not place.is_file():
                raise InputError(f"{place}: no such file; give folders, filelists or audio files")
            found.append(place)
        else:
            found += [Path(line.wav) for line in read_filelist(place)]
    if not found:
        raise InputError(f"there is no audio in {', '.join(given)}; give folders, filelists or audio files")
    return found


def recorded_mels(paths: list[Path], audio: Audio) -> Mels:
    """Mels of stretches of recordings, some of them played quicker or slower, at levels of their own."""

    def draw(rng: random.Random) -> np.ndarray:
        return _of_any(paths, rng, lambda path: stretch(path, rng))

    def stretch(path: Path, rng: random.Random) -> np.ndarray:
        samples = read_audio(path, audio.sample_rate)
        longest = int(PASSAGE_FRAMES * audio.hop_length * SPEEDS[1])
        if len(samples) > longest:
            start = rng.randrange(len(samples) - longest)
            samples = samples[start : start + longest]
        if rng.random() < SPEED_SHARE:
            samples = soxr.resample(samples, audio.sample_rate, audio.sample_rate / rng.uniform(*SPEEDS))
        peak = max(1e-3, float(np.abs(samples).max()))
        return mel_spectrogram(samples / peak * 10 ** (-rng.uniform(0, QUIETEST) / 20), audio)

    return draw


def predicted_mels(checkpoint: str, texts: str) -> Mels:
    """Mels that a model predicts of a file's texts, in all its voices and emotions."""
    from synthesis import load_model

    synthesiser = load_model(checkpoint, "distilled", "cpu", precision="auto")  # the audio is not used
    if synthesiser.params.style.takes_embeddings:
        raise InputError(f"{checkpoint} takes embeddings from files instead of names; give a model with names")
    lines = [line.text for line in read_texts(texts)]

    def draw(rng: random.Random) -> np.ndarray:
        styles = {"speaker": rng.choice(synthesiser.speakers), "emotion": rng.choice(synthesiser.emotions)}
        seed = rng.randrange(2**31)
        return _of_any(lines, rng, lambda line: synthesiser.synthesise(line, **styles, seed=seed)[0].mel)

    return draw


def _of_any(items: list, rng: random.Random, mel_of: Callable[[Any], np.ndarray]) -> np.ndarray:
    """The mel of one of the items; one that has none is taken out of them, with a line. InputError if none is left."""
    while items:
        item = rng.choice(items)
        try:
            return mel_of(item)
        except InputError as error:
            items.remove(item)
            print(shown(f"note: left out from here on: {error}"))
    raise InputError("nothing is left to learn from; give other recordings, or other --texts")


def teach(teacher: Generator, mel: np.ndarray, rng: random.Random) -> Passage:
    """The teacher's features and audio of at most `PASSAGE_FRAMES` of a mel (n_mels, T).

    In bfloat16, which takes half the time; its audio is 24 dB above the difference to float32's.
    """
    start = rng.randrange(max(1, mel.shape[1] - PASSAGE_FRAMES + 1))
    piece = torch.from_numpy(np.ascontiguousarray(mel[:, start : start + PASSAGE_FRAMES])).float()
    piece = functional.pad(piece, (0, max(0, CROP_FRAMES - piece.shape[1])), value=float(mel.min()))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = teacher.front(piece[None])  # (1, C, T * rate)
        return features[0].bfloat16(), teacher.rest(features)[0, 0].float()


def crops(pool: list[Passage], batch: int, rate: int, rng: random.Random) -> Passage:
    """features (B, C, CROP_FRAMES * rate) and audio (B, CROP_FRAMES * hop)."""
    size, chosen = CROP_FRAMES * rate, []
    for features, audio in rng.choices(pool, k=batch):
        start, samples = rng.randrange(features.shape[1] - size + 1), audio.shape[0] // features.shape[1]
        chosen.append((features[:, start : start + size], audio[start * samples : (start + size) * samples]))
    return torch.stack([features for features, _ in chosen]), torch.stack([audio for _, audio in chosen])


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m hifigan.distil", description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+", help="folders, filelists, audio files")
    parser.add_argument("--checkpoint", help="a model whose predicted mels are taught too")
    parser.add_argument("--texts", default="resources/texts/own_sentences.txt", help="for it; default: %(default)s")
    parser.add_argument("--init", help="a distilled vocoder to start from")
    parser.add_argument("--out", type=folder, default=Path("logs/distil"), help="default: %(default)s")
    parser.add_argument(
        "--steps", type=whole(1, 10**9), default=10_000, help="total, those before a resumption included"
    )
    parser.add_argument("--batch-size", type=whole(1, 4096), default=8)
    parser.add_argument(
        "--new-every", type=whole(1, 10**9), default=5, help="steps between two new passages of the teacher"
    )
    parser.add_argument("--pool", type=whole(1, 10**6), default=1200, help="passages kept in memory, about 1.2 MB each")
    parser.add_argument("--first", type=whole(1, 10**6), default=48, help="passages before the first step")
    parser.add_argument("--save-every", type=whole(0, 10**9), default=300, metavar="SECONDS")
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0)
    return parser.parse_args(argv)


@reports_input_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    audio = Audio()
    torch.manual_seed(args.seed)
    teacher = load_vocoder(expect=audio)
    recorded = recorded_mels(find_recordings(args.recordings), audio)
    predicted = predicted_mels(args.checkpoint, args.texts) if args.checkpoint else None
    with in_use(args.out):
        _train(args, teacher, recorded, predicted)
    return 0


def _train(args: argparse.Namespace, teacher: Generator, recorded: Mels, predicted: Mels | None) -> None:
    resuming = (args.out / "state.pt").is_file()
    begun = args.out / "vocoder.pt" if resuming else args.init  # it has the run's sizes
    distillation = Distillation(read_distilled(begun, teacher).rest if begun else new_rest(teacher))
    if resuming:
        distillation.resume(args.out / "state.pt")
        ignored = "; --init is not used" if args.init else ""
        print(shown(f"resuming from step {distillation.steps} of {args.out}{ignored}"))
    if distillation.steps >= args.steps:
        print(shown(f"{args.out} has {distillation.steps} steps already; give more --steps to continue"))
        return
    first = distillation.steps
    rng = random.Random(f"{args.seed} {distillation.steps}")

    def new_passage() -> Passage:
        source = predicted if predicted and rng.random() < PREDICTED_SHARE else recorded
        return teach(teacher, source(rng), rng)

    rate = teacher.config.upsample_rates[0]
    pool: list[Passage] = []
    saved = time.monotonic()
    with stopping_on_signals() as asked_to_stop, open(args.out / "log.jsonl", "a", encoding="utf-8") as log:
        for _ in tqdm(range(min(args.first, args.pool)), "first passages", unit="passage"):
            if not asked_to_stop():
                pool.append(new_passage())
        bar = tqdm(total=args.steps, initial=distillation.steps, desc="distil", unit="step")
        while distillation.steps < args.steps and not asked_to_stop():
            if distillation.steps % args.new_every == 0:
                pool.append(new_passage())
                if len(pool) > args.pool:
                    pool.pop(rng.randrange(len(pool) - 1))
            left = (args.steps - distillation.steps) / args.steps
            scale = min(1.0, (distillation.steps + 1) / WARMUP, left / FALL)
            parts = distillation.step(*crops(pool, args.batch_size, rate, rng), scale)
            if not all(map(math.isfinite, parts.values())):
                raise InputError(f"a loss is not finite at step {distillation.steps}; start again from state.pt")
            log.write(json.dumps({"step": distillation.steps, **parts}) + "\n")
            bar.update()
            bar.set_postfix({name: f"{value:.3f}" for name, value in parts.items()}, refresh=False)
            if time.monotonic() - saved > args.save_every:
                distillation.save(args.out)
                saved = time.monotonic()
        bar.close()
    if distillation.steps == first:  # stopped before it began: what is there stays
        return
    distillation.save(args.out)
    print(shown(f"saved {args.out / 'vocoder.pt'} at step {distillation.steps}"))


if __name__ == "__main__":
    sys.exit(main())
