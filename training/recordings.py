"""Train what listens to recordings, the voice encoder and the rate estimator, before the model that uses them.

    python -m training.recordings --config configs/kokoro.yaml --steps 4000 -o logs/recordings

The voice encoder learns to tell the voices of the training list apart, each through random microphones, by additive
angular margins (Deng et al., arXiv 1801.07698); the rate estimator learns how many phones an utterance has. A tenth of
the voices is held out; how often a stretch of one of them is nearest to its own voice is printed. A run whose folder
has a state is resumed. OUT/recordings.pt has both networks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from common.arguments import Parser, folder, whole
from common.errors import InputError, reports_input_errors
from common.files import in_use
from common.processes import MOST_THREADS, cores, stopping_on_signals
from data.cache import FeatureCache
from data.checkpoint_file import load_optimizer, read_checkpoint, restoring, write_checkpoint
from data.dataset import count_phones
from data.filelist import Utterance, read_filelist
from model.hearing import load_networks
from model.manner import RateEstimator
from model.units import SILENCE
from model.voice import VoiceEncoder
from params import Params
from text.front_end import front_end
from training.microphone import through_microphones
from training.overrides import resolve_params
from training.saving import counted

VOICE_CHANNELS = 128
_SHORTEST, _LONGEST = 100, 300  # frames of a stretch
_BATCH, _RATE_BATCH = 64, 16
_SCALE, _MARGIN = 20.0, 0.2
_SLOPE_WEIGHT = 0.05
_HELD_OUT_EVERY = 10  # voices
_WARMUP = 100
_SAVE_EVERY = 200
_USED = {"train.train_filelist", "train.cache_dir", "train.seed"}
_FIRST_HEARD = 4  # utterances of a voice, whose mean is its direction at the start


@dataclass(frozen=True)
class Recordings:
    """mels (n_mels, T) float16, natural log; voices and phones by utterance."""

    mels: list[Tensor]
    voices: np.ndarray
    phones: np.ndarray
    names: list[str]


def load_recordings(utterances: Sequence[Utterance], cache: FeatureCache, params: Params) -> Recordings:
    """Everything in memory: 58 MB an hour."""
    names = sorted({utterance.speaker for utterance in utterances})
    reader = front_end(params.text.front_end, add_blank=params.text.add_blank)
    mels, phones = [], []
    for utterance in tqdm(utterances, desc="features", unit="file", disable=None):
        mels.append(torch.from_numpy(cache.get(utterance.wav).mel).half())
        phones.append(count_phones(reader.encode(utterance.text).symbols))
    voices = np.array([names.index(utterance.speaker) for utterance in utterances])
    return Recordings(mels, voices, np.array(phones), names)


class Listener(nn.Module):
    """Both networks, and the directions of the voices they are taught to tell apart."""

    def __init__(self, n_mels: int, voices: int) -> None:
        super().__init__()
        self.voice = VoiceEncoder(n_mels, VOICE_CHANNELS)
        self.rate = RateEstimator(n_mels)
        self.directions = nn.Parameter(torch.randn(voices, VOICE_CHANNELS))

    def losses(self, mel: Tensor, lengths: Tensor, voices: Tensor) -> Tensor:
        """Cross-entropy of the voices (B,) by scaled cosines; the right one's angle is made wider by the margin."""
        cosine = self.voice(mel, lengths) @ F.normalize(self.directions, dim=1).T  # (B, voices)
        right = F.one_hot(voices, len(self.directions)).bool()
        angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).acos()
        return F.cross_entropy(_SCALE * torch.where(right, (angle + _MARGIN).cos(), cosine), voices)

    def rate_loss(self, mel: Tensor, lengths: Tensor, phones: Tensor) -> Tensor:
        """Poisson deviance of the number of phones (B,), per phone, and how far rates are drawn to the usual one.

        The likeliest rate lies nearer to the usual one than the rate that is heard, so a fast manner would be taken for
        a less fast one: by a third, learned without the second part.
        """
        expected = self.rate(mel, lengths).sum(1).clamp(min=1e-3)
        deviance = (expected - phones * expected.log() - phones + torch.xlogy(phones, phones)).sum() / phones.sum()
        rate, heard = ((count / lengths).log() for count in (phones, expected))
        apart = rate - rate.mean()
        slope = (apart * heard).sum() / apart.square().sum().clamp(min=1e-3)
        return deviance + _SLOPE_WEIGHT * (slope - 1).square()


def _stretches(recordings: Recordings, chosen: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random stretch of each: mels (B, n_mels, R) and lengths (B,)."""
    parts = []
    for index in chosen:
        mel = recordings.mels[index]
        length = min(int(rng.integers(_SHORTEST, _LONGEST + 1)), mel.shape[1])
        start = int(rng.integers(mel.shape[1] - length + 1))
        parts.append(mel[:, start : start + length].float())
    return _padded(parts)


def _padded(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([part.shape[1] for part in parts])
    mel = parts[0].new_full((len(parts), parts[0].shape[0], int(lengths.max())), SILENCE)
    for row, part in zip(mel, parts, strict=True):
        row[:, : part.shape[1]] = part
    return mel, lengths


def _heard(mel: Tensor, generator: torch.Generator, frame_seconds: float) -> Tensor:
    """mels (B, n_mels, R) through microphones that the generator chooses."""
    return through_microphones(mel, torch.randint(2**62, (len(mel),), generator=generator), frame_seconds)


@torch.no_grad()
def nearest_own_voice(listener: Listener, recordings: Recordings, voices: np.ndarray, frame_seconds: float) -> float:
    """Share of the utterances of some voices whose vector is nearest to the mean of their own voice's others."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    chosen = np.flatnonzero(np.isin(recordings.voices, voices))
    if not len(chosen):
        return float("nan")
    vectors = []
    for start in range(0, len(chosen), _BATCH):
        mel, lengths = _stretches(recordings, chosen[start : start + _BATCH], rng)
        vectors.append(listener.voice(_heard(mel, generator, frame_seconds), lengths))
    found, owner = torch.cat(vectors), recordings.voices[chosen]
    right = []
    for i, vector in enumerate(found):
        others = [(owner == voice) & (np.arange(len(owner)) != i) for voice in voices]
        means = torch.stack([found[torch.from_numpy(mask)].mean(0) if mask.any() else -vector for mask in others])
        right.append(voices[int(F.cosine_similarity(means, vector[None]).argmax())] == owner[i])
    return float(np.mean(right))


@torch.no_grad()
def start_from(listener: Listener, networks: Mapping[str, Mapping[str, Tensor]], recordings: Recordings) -> None:
    """Take over trained networks; each voice's direction is what they make of a few of its utterances.

    Raises ValueError if they do not fit.
    """
    load_networks(networks, listener.voice, listener.rate)
    for voice in tqdm(range(len(recordings.names)), desc="voices", unit="voice", disable=None):
        chosen = np.flatnonzero(recordings.voices == voice)[:_FIRST_HEARD]
        mel, lengths = _padded([recordings.mels[i].float() for i in chosen])
        listener.directions[voice] = listener.voice(mel, lengths).mean(0)


def train(listener: Listener, recordings: Recordings, out: Path, steps: int, params: Params) -> None:
    """Train to `steps`; resumed from `out`/state.pt where that is.

    Raises InputError if that is of other voices.
    """
    state_path = out / "state.pt"
    optimizer = torch.optim.AdamW(listener.parameters(), lr=1e-3, weight_decay=0.02)
    step = 0
    if state_path.exists():
        state = read_checkpoint(state_path, "training state")
        with restoring(state_path):
            listener.load_state_dict(state["listener"])
            load_optimizer(optimizer, state["optimizer"])
            step, names = counted(state["step"]), list(state["names"])
        if names != recordings.names:
            raise InputError(f"{state_path} is of other voices; give another -o, and --init to start from its networks")
        print(f"step {step}  {'resuming' if step < steps else 'finished before; give more --steps'} in {out}")
    frame_seconds = params.audio.hop_length / params.audio.sample_rate
    everyone = np.arange(len(recordings.names))
    held_out = everyone[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY]
    by_voice = {voice: np.flatnonzero(recordings.voices == voice) for voice in everyone}
    learned = np.setdiff1d(everyone, held_out)
    usable = np.concatenate([by_voice[voice] for voice in learned])
    shown = time.monotonic()
    with stopping_on_signals() as asked_to_stop, tqdm(total=steps, initial=step, unit="step", disable=None) as bar:
        while step < steps and not asked_to_stop():
            rng, generator = np.random.default_rng((params.train.seed, step)), torch.Generator().manual_seed(step)
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(1, (step + 1) / _WARMUP) * (1 - 0.98 * step / steps)
            # As many of every voice, however much of it there is.
            voices = rng.choice(learned, _BATCH)
            mel, lengths = _stretches(recordings, np.array([rng.choice(by_voice[v]) for v in voices]), rng)
            loss = listener.losses(_heard(mel, generator, frame_seconds), lengths, torch.from_numpy(voices))
            whole = rng.choice(usable, _RATE_BATCH)
            mel, lengths = _padded([recordings.mels[i].float() for i in whole])
            phones = torch.from_numpy(recordings.phones[whole]).float()
            rate = listener.rate_loss(_heard(mel, generator, frame_seconds), lengths, phones)
            optimizer.zero_grad()
            (loss + rate).backward()
            optimizer.step()
            step += 1
            bar.update()
            if step % _SAVE_EVERY == 0 or step == steps or asked_to_stop():
                nearest = nearest_own_voice(listener, recordings, held_out, frame_seconds)
                bar.write(
                    f"step {step}  voices {loss.item():.3f}  rate {rate.item():.4f}  "
                    f"held-out voices nearest {nearest:.1%} of {len(held_out)}  {time.monotonic() - shown:.0f} s"
                )
                # The state is last: a run that it calls finished has its networks.
                networks = {"voice": listener.voice.state_dict(), "rate": listener.rate.state_dict()}
                write_checkpoint(out / "recordings.pt", networks)
                state = {"listener": listener.state_dict(), "optimizer": optimizer.state_dict()}
                write_checkpoint(state_path, state | {"step": step, "names": recordings.names})


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m training.recordings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, help="for its training list and its cache")
    parser.add_argument("--init", type=Path, help="recordings.pt to start from, of other voices; default: anew")
    parser.add_argument("--steps", type=whole(1, 10**9), default=4000, help="default: %(default)s")
    parser.add_argument("-o", "--out", type=folder, default=Path("logs/recordings"), help="default: %(default)s")
    parser.add_argument("--threads", type=whole(0, MOST_THREADS), default=0, help="default: as torch chooses")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args(argv)
    if args.threads:
        torch.set_num_threads(min(args.threads, cores()))
    for override in args.overrides:
        name = override.partition("=")[0]
        if name.startswith("train.") and name not in _USED:
            raise InputError(f"{name} has no part in this; of train it takes {', '.join(sorted(_USED))}")
    params = resolve_params(args.config, args.overrides)
    utterances = read_filelist(params.train.train_filelist)
    recordings = load_recordings(utterances, FeatureCache(params.train.cache_dir, params.audio), params)
    if len(recordings.names) < 2:
        raise InputError(f"{params.train.train_filelist} has one voice only; voices are learned from their differences")
    torch.manual_seed(params.train.seed)
    listener = Listener(params.audio.n_mels, len(recordings.names))
    with in_use(args.out):
        if args.init is not None and (args.out / "state.pt").exists():
            print(f"--init is not used: {args.out} has a state")
        elif args.init is not None:
            networks = read_checkpoint(args.init, "networks")
            try:
                start_from(listener, networks, recordings)
            except ValueError as error:
                raise InputError(f"{args.init}: {error}") from error
        train(listener, recordings, args.out, args.steps, params)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
