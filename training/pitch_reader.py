"""Train the pitch reader of a checkpoint, which `--method staged` asks; the checkpoint itself stays as it is.

    python -m training.pitch_reader -c checkpts/default.pt -f resources/filelists/tiny_train.txt

It learns by distractors: a noisy residual, its own contour, and one that is not its own. Residuals come from recordings
of any voices, and from utterances that the model itself speaks with these texts. Minutes on one core. Writes
CHECKPOINT.reader.pt beside CHECKPOINT.pt, in the place of one that is there.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from common.arguments import Parser, whole
from common.errors import InputError, reports_input_errors
from common.processes import MOST_THREADS
from data.cache import FeatureCache
from data.checkpoint_file import write_checkpoint
from data.filelist import Utterance, read_filelist
from data.model_file import load_checkpoint
from model.checkpoint import Loaded
from model.contour import carry_by_position, fill_unvoiced
from model.pitch_reader import PitchReader, pack_reader
from model.source_picture import SourcePicture
from model.style import StyleSource
from model.text_to_mel import Sampling
from model.units import SEMITONE
from synthesis.reader_file import reader_path
from text.front_end import front_end

NOISE_LEVELS = (0.02, 15.0)  # s, drawn log-uniformly
SHOWN_LEVELS = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0)
CROP_FRAMES = 96
BATCH_SIZE = 8
_LEAST_NOISE = 0.4  # of s: with a temperature above 1 there is less noise than the level says
_APART = SEMITONE  # contours nearer than this are no question
_SHIFT = 12 * SEMITONE  # of distractors, at most
_JITTER = 0.2 * SEMITONE  # of either contour: at inference both are carried from other clips
_SPOKEN_SHIFT = 8 * SEMITONE  # of what the model speaks for training, at most
_LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Recording:
    """residual x_0 - mu (n_mels, T), normalised; log_f0 (T,), filled across unvoiced frames; voicing (T,), 0 or 1."""

    voice: str
    residual: Tensor
    log_f0: Tensor
    voicing: Tensor


@dataclass(frozen=True)
class Questions:
    """A batch: which of two contours (B, T) does a residual (B, n_mels, T) have? The first."""

    residual: Tensor
    own: Tensor
    other: Tensor
    voicing: Tensor


class Distractors:
    """Draws questions from recordings, every voice as often as another."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        """Raises InputError if none is as long as a crop."""
        self._recordings = [recording for recording in recordings if len(recording.log_f0) >= CROP_FRAMES]
        if not self._recordings:
            raise InputError(f"no utterance has {CROP_FRAMES} frames or more; give longer ones")
        self._by_voice: dict[str, list[int]] = {}
        for index, recording in enumerate(self._recordings):
            self._by_voice.setdefault(recording.voice, []).append(index)

    def draw(self, size: int, rng: np.random.Generator) -> Questions:
        voices = list(self._by_voice.values())
        rows = [self._question(int(rng.choice(voices[rng.integers(len(voices))])), rng) for _ in range(size)]
        return Questions(*(torch.stack(column) for column in zip(*rows, strict=True)))

    def _question(self, index: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        recording = self._recordings[index]
        start = int(rng.integers(len(recording.log_f0) - CROP_FRAMES + 1))
        cut = slice(start, start + CROP_FRAMES)
        own = recording.log_f0[cut]
        other = self._distractor(recording.voice, own, rng)
        return recording.residual[:, cut], _jittered(own, rng), _jittered(other, rng), recording.voicing[cut]

    def _distractor(self, voice: str, own: Tensor, rng: np.random.Generator) -> Tensor:
        """The own contour moved; or a stretch of another's, half the time by the same voice, half the time moved."""
        moved = float(rng.uniform(-_SHIFT, _SHIFT))
        if rng.random() < 0.25:
            return own + moved
        indices = self._by_voice[voice] if rng.random() < 0.5 else range(len(self._recordings))
        other = self._recordings[int(rng.choice(indices))].log_f0
        length = min(len(other), round(len(own) * float(rng.uniform(0.7, 1.4))))
        start = int(rng.integers(len(other) - length + 1))
        stretch = carry_by_position(other[start : start + length], len(own))
        return stretch + moved if rng.random() < 0.5 else stretch


def _jittered(log_f0: Tensor, rng: np.random.Generator) -> Tensor:
    knots = torch.from_numpy(rng.normal(0, _JITTER, len(log_f0) // 8).astype(np.float32))
    return log_f0 + carry_by_position(knots, len(log_f0)) + float(rng.normal(0, _JITTER))


class Examiner:
    """Puts questions to a reader. picture: of the F0; residual_std: of the model's diffusion."""

    def __init__(self, reader: PitchReader, picture: SourcePicture, residual_std: float) -> None:
        self.reader = reader
        self._picture = picture
        self._residual_std = residual_std

    def ask(
        self, questions: Questions, log_s: Tensor, amount: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy, by cells and by frames together, and which frames were told rightly, (N,) bool.

        log_s (B,); amount (B,): of the noise, as a part of s. Voiced frames whose contours differ count.
        """
        s = log_s.exp()[:, None, None]
        residual = questions.residual
        noise = torch.from_numpy(rng.standard_normal(residual.shape, dtype=np.float32))
        noisy = residual + amount[:, None, None] * s * noise
        pictures = (self._picture(contour, questions.voicing) for contour in (questions.own, questions.other))
        reading = self.reader(noisy * (self._residual_std**2 + s**2).rsqrt(), log_s, *pictures)
        asked = (questions.voicing > 0.5) & ((questions.own - questions.other).abs() > _APART)  # (B, T)
        frames = reading.by_frame(torch.ones_like(residual[:1]))[asked]  # (N,)
        by_cell = F.softplus(-reading.log_odds.transpose(1, 2)[asked]).mean()
        return by_cell - frames.clamp(min=1e-6).log().mean(), frames > 0.5

    def train(
        self, distractors: Distractors, steps: int, seed: int, report: Callable[[int, float, float], None]
    ) -> None:
        """report: after every step, its number, the loss and the share of frames right."""
        rng = np.random.default_rng(seed)
        optimizer = torch.optim.AdamW(self.reader.parameters(), _LEARNING_RATE, weight_decay=0.01)
        # One cycle down to a hundredth, after a short rise.
        rate = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda i: min(1, (i + 1) / 30) * (0.505 + 0.495 * math.cos(math.pi * i / steps))
        )
        self.reader.train().requires_grad_(True)
        for step in range(steps):
            log_s = torch.from_numpy(rng.uniform(*map(math.log, NOISE_LEVELS), BATCH_SIZE)).float()
            amount = torch.from_numpy(rng.uniform(_LEAST_NOISE, 1, BATCH_SIZE)).float()
            loss, right = self.ask(distractors.draw(BATCH_SIZE, rng), log_s, amount, rng)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.reader.parameters(), 1.0)
            optimizer.step()
            rate.step()
            report(step, loss.item(), right.float().mean().item())
        self.reader.eval().requires_grad_(False)

    @torch.no_grad()
    def accuracy(self, distractors: Distractors, s: float, seed: int, size: int = 64) -> float:
        """Share of frames told rightly at a noise level."""
        rng = np.random.default_rng(seed)
        log_s = torch.full((size,), math.log(s))
        _, right = self.ask(distractors.draw(size, rng), log_s, torch.ones(size), rng)
        return right.float().mean().item()


@torch.no_grad()
def read_recording(loaded: Loaded, utterance: Utterance, cache: FeatureCache) -> Recording:
    """A recording less mu, the model's tokens laid over it by alignment.

    Where the model does not know the speaker, mu is that of the nearest one it knows; an unknown emotion is neutral.
    Raises InputError if the recording cannot be used.
    """
    model, features = loaded.model, cache.get(utterance.wav)
    text = loaded.params.text
    ids = front_end(text.front_end, loaded.symbols, text.add_blank).encode(utterance.text).ids
    if len(ids) > features.frames:
        raise InputError(f"{utterance.wav} has {features.frames} frames for {len(ids)} tokens; take it off the list")
    known = utterance.speaker in loaded.speakers
    speakers = [loaded.speakers.index(utterance.speaker)] if known else list(range(len(loaded.speakers)))
    emotion = loaded.emotions.index(utterance.emotion) if utterance.emotion in loaded.emotions else 0
    count = len(speakers)
    lengths = torch.full((count,), len(ids))
    mel = model.normalise(torch.from_numpy(features.mel)[None]).expand(count, -1, -1)  # (B, n_mels, T)
    style = StyleSource(speaker=torch.tensor(speakers), emotion=torch.full((count,), emotion))
    tokens = model.encode(torch.tensor([ids] * count), lengths, style)
    durations = model.align(tokens, lengths, mel, torch.full((count,), mel.shape[2]), None)  # (B, S)
    mu = torch.stack([tokens.mu[i].repeat_interleave(durations[i], 1) for i in range(count)])
    residual = mel - mu
    voicing = torch.from_numpy(features.voicing)
    log_f0 = fill_unvoiced(torch.from_numpy(features.f0).clamp(min=1).log(), voicing)
    nearest = residual.square().mean((1, 2)).argmin()
    return Recording(utterance.speaker, residual[nearest].clone(), log_f0, voicing)


@torch.no_grad()
def speak_recording(loaded: Loaded, text: str, speaker: int, rng: np.random.Generator) -> Recording:
    """A text as the model itself speaks it, with its predicted contour anywhere: no voice has a register of its own."""
    model, inference = loaded.model, loaded.params.inference
    front = loaded.params.text
    ids = front_end(front.front_end, loaded.symbols, front.add_blank).encode(text).ids
    style = StyleSource(
        speaker=torch.tensor([speaker]), emotion=torch.tensor([int(rng.integers(len(loaded.emotions)))])
    )
    frames = model.spread(model.encode(torch.tensor([ids]), torch.tensor([len(ids)]), style))
    audio = loaded.params.audio
    moved = frames.log_f0 + float(rng.uniform(-_SPOKEN_SHIFT, _SPOKEN_SHIFT))
    style = model.complete(
        frames.with_pitch(style, moved.clamp(math.log(audio.f0_min), math.log(audio.f0_max))), frames
    )
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    spoken = model.decode(frames, style, Sampling(inference.steps, inference.temperature, generator=generator))
    length = int(frames.lengths[0])
    residual = model.normalise(spoken.mel) - frames.mu[:, :, :length]
    return Recording(
        loaded.speakers[speaker],
        residual[0].clone(),
        style.log_f0[0, :length].clone(),
        style.voicing[0, :length].clone(),
    )


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m training.pitch_reader",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--checkpoint", type=Path, default=Path("checkpts/default.pt"))
    parser.add_argument(
        "-f", "--filelists", nargs="+", default=["resources/filelists/tiny_train.txt"], help="recordings to learn from"
    )
    parser.add_argument(
        "--valid", nargs="+", default=["resources/filelists/tiny_valid.txt"], help="recordings to measure on"
    )
    parser.add_argument(
        "--spoken", type=whole(0, 100_000), default=150, help="utterances of the model itself; default: %(default)s"
    )
    parser.add_argument("--steps", type=whole(1, 10_000_000), default=1500, help="default: %(default)s")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="feature cache")
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), default=0)
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), default=1)
    _train(parser.parse_args(argv))
    return 0


def _train(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    loaded = load_checkpoint(args.checkpoint)
    if not loaded.model.attends:
        raise InputError(f"{args.checkpoint} is an official checkpoint, which reads no contours; give another")
    if loaded.params.style.takes_embeddings:
        raise InputError(f"{args.checkpoint} takes embeddings for names, which no filelist has; give another")
    params, rng = loaded.params, np.random.default_rng(args.seed)
    cache = FeatureCache(args.cache, params.audio)
    training, validation = (
        [utterance for path in paths for utterance in read_filelist(path)] for paths in (args.filelists, args.valid)
    )
    recorded = [read_recording(loaded, utterance, cache) for utterance in tqdm(training, "recordings", disable=None)]
    spoken = [
        speak_recording(loaded, training[int(rng.integers(len(training)))].text, i % len(loaded.speakers), rng)
        for i in tqdm(range(args.spoken), "spoken", disable=None)
    ]
    held_out = [read_recording(loaded, utterance, cache) for utterance in validation]
    asked = Distractors(held_out)  # refused, if it is, before the work
    reader = PitchReader(params.audio.n_mels)
    examiner = Examiner(reader, SourcePicture(params.audio), params.diffusion.residual_std)
    with tqdm(total=args.steps, unit="step", disable=None) as bar:

        def report(step: int, loss: float, right: float) -> None:
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", right=f"{right:.0%}")

        examiner.train(Distractors(recorded + spoken), args.steps, args.seed, report)
    path = reader_path(args.checkpoint)
    write_checkpoint(path, pack_reader(reader))
    shown = "  ".join(f"{s:g}: {examiner.accuracy(asked, s, args.seed):.1%}" for s in SHOWN_LEVELS)
    print(f"frames told rightly at noise level s, {len(held_out)} held-out recordings: {shown}\nwritten to {path}")


if __name__ == "__main__":
    raise SystemExit(main())
