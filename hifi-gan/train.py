"""Fine-tune a vocoder on the mels that a model predicts.

    python -m training.predict_mels -c logs/mine/checkpoint.pt --filelist train.txt --out predicted
    python -m hifigan.train --filelist train.txt --mels predicted --out logs/vocoder

`predicted/NAME.npy` is the model's mel (n_mels, frames) for `NAME.wav`, made with the recording's own alignment, so
that the two run in step. OUT receives `g_STEP` (the generator: `inference.py --vocoder logs/vocoder/g_STEP`), `do_STEP`
(discriminators and optimizers), `config.json` and TensorBoard logs; the same command again resumes from the last
`g_`/`do_` pair.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from common.arguments import DEVICES, Parser, folder, real, whole
from common.device import choose_device
from common.errors import SOME_SKIPPED, BadLines, InputError, reports_input_errors, shown
from common.files import in_use, replacing
from common.processes import stopping_on_signals
from data.checkpoint_file import load_optimizer, read_checkpoint, restoring, write_checkpoint
from hifigan.checkpoint import add_weight_norm, official_names, parametrized_names, tensors_of
from hifigan.dataset import MIN_FRAMES, Segments, load_pair, read_pairs
from hifigan.discriminators import CHANNELS, MultiPeriodDiscriminator, MultiScaleDiscriminator
from hifigan.generator import Generator
from hifigan.losses import (
    FEATURE_WEIGHT,
    MEL_WEIGHT,
    LogMel,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)
from hifigan.vocoder import load_vocoder, vocode
from params import Audio
from training.curves import Curves
from training.loader_process import batches_of, obey_only_the_parent
from training.saving import counted

BETAS = (0.8, 0.99)
VALIDATION_CHUNK = 512  # frames


class FineTuning:
    """The networks, their optimizers and one training step (Kong et al., 2020, section 2.4 and 3)."""

    def __init__(
        self, generator: Generator, channels: int, audio: Audio, learning_rate: float, device: torch.device
    ) -> None:
        self.generator = generator.to(device).train()
        add_weight_norm(self.generator)
        self.mpd = MultiPeriodDiscriminator(channels).to(device)
        self.msd = MultiScaleDiscriminator(channels).to(device)
        # The loss hears the whole band, also what lies above the vocoder's own mel.
        self.log_mel = LogMel(replace(audio, fmax=audio.sample_rate / 2)).to(device)
        self.generator_optimizer = torch.optim.AdamW(self.generator.parameters(), learning_rate, BETAS)
        # The order is that of the published files.
        parameters = itertools.chain(self.msd.parameters(), self.mpd.parameters())
        self.discriminator_optimizer = torch.optim.AdamW(parameters, learning_rate, BETAS)
        self.steps = 0
        self.epoch = 0

    def set_learning_rate(self, learning_rate: float) -> None:
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate

    def step(self, mel: Tensor, audio: Tensor) -> dict[str, Tensor]:
        """Update the discriminators, then the generator. mel (B, n_mels, T), audio (B, T * hop) -> losses."""
        real = audio.unsqueeze(1)  # (B, 1, N)
        fake = self.generator(mel)  # (B, 1, N)

        discriminators = (self.mpd, self.msd)
        judging = torch.stack(
            [discriminator_loss(judge(real)[0], judge(fake.detach())[0]) for judge in discriminators]
        ).sum()
        self.discriminator_optimizer.zero_grad()
        judging.backward()
        self.discriminator_optimizer.step()

        for judge in discriminators:
            judge.requires_grad_(False)
        mel_error = functional.l1_loss(self.log_mel(fake.squeeze(1)), self.log_mel(audio))
        adversarial = feature = torch.zeros((), device=mel_error.device)
        for judge in discriminators:
            with torch.no_grad():
                _, real_features = judge(real)
            fake_scores, fake_features = judge(fake)
            adversarial = adversarial + adversarial_loss(fake_scores)
            feature = feature + feature_matching_loss(real_features, fake_features)
        total = adversarial + FEATURE_WEIGHT * feature + MEL_WEIGHT * mel_error
        self.generator_optimizer.zero_grad()
        total.backward()
        self.generator_optimizer.step()
        for judge in discriminators:
            judge.requires_grad_(True)

        self.steps += 1
        losses = {
            "mel_error": mel_error,
            "feature_matching": feature,
            "adversarial": adversarial,
            "discriminator": judging,
        }
        return {name: loss.detach() for name, loss in losses.items()}

    def save(self, folder: Path) -> None:
        """Write `do_STEP` and then `g_STEP`, in the published format; older `do_` files go."""
        write_checkpoint(
            folder / f"do_{self.steps:08d}",
            {
                "mpd": official_names(self.mpd.state_dict()),
                "msd": official_names(self.msd.state_dict()),
                "optim_g": self.generator_optimizer.state_dict(),
                "optim_d": self.discriminator_optimizer.state_dict(),
                "steps": self.steps,
                "epoch": self.epoch,
            },
        )
        write_checkpoint(folder / f"g_{self.steps:08d}", {"generator": official_names(self.generator.state_dict())})
        for step, path in _numbered(folder, "do_").items():
            if step < self.steps:
                path.unlink()

    def load_discriminators(self, path: Path) -> dict[str, Any]:
        """The discriminators of a published `do_*` file; returns the rest of it too."""
        checkpoint = read_checkpoint(path, "vocoder")
        for name, judge in (("mpd", self.mpd), ("msd", self.msd)):
            if name not in checkpoint:
                raise InputError(f"{path} holds no discriminator {name!r}; give a do_* file of a training run")
            _load_strictly(judge, tensors_of(checkpoint, name, path), path)
        return checkpoint

    def resume(self, generator_path: Path, path: Path) -> None:
        """Resume from a `g_`/`do_` pair, with the optimizers as they were."""
        state = tensors_of(read_checkpoint(generator_path, "vocoder"), "generator", generator_path)
        _load_strictly(self.generator, state, generator_path)
        checkpoint = self.load_discriminators(path)
        with restoring(path):
            load_optimizer(self.generator_optimizer, checkpoint["optim_g"])
            load_optimizer(self.discriminator_optimizer, checkpoint["optim_d"])
            self.steps = counted(checkpoint["steps"])


def _load_strictly(module: torch.nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(parametrized_names(state))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{path} does not fit a {type(module).__name__} of this size: {reason}") from error


def _numbered(folder: Path, prefix: str) -> dict[int, Path]:
    """Step -> file, of the files named PREFIX and digits."""
    found = ((re.fullmatch(rf"{prefix}(\d+)", path.name), path) for path in folder.glob(f"{prefix}*"))
    return {int(match[1]): path for match, path in found if match}


def last_pair(folder: Path) -> tuple[Path, Path] | None:
    """The newest `g_` and `do_` files of the same step, or None."""
    generators, states = _numbered(folder, "g_"), _numbered(folder, "do_")
    common = generators.keys() & states.keys()
    return (generators[max(common)], states[max(common)]) if common else None


def validation_error(tuning: FineTuning, pairs: list[tuple[Path, Path]], audio: Audio) -> float:
    """Mean absolute log-mel error of whole vocoded recordings, each counted once."""
    errors = []
    device = next(tuning.generator.parameters()).device
    for wav, mel_path in pairs:
        mel, samples = load_pair(wav, mel_path, audio)
        vocoded = vocode(tuning.generator, torch.from_numpy(mel), chunk_frames=VALIDATION_CHUNK)
        with torch.no_grad():
            wanted = tuning.log_mel(torch.from_numpy(samples).to(device).unsqueeze(0))  # (1, n_mels, T)
            errors.append(functional.l1_loss(tuning.log_mel(vocoded), wanted).item())
    return sum(errors) / len(errors)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="python -m hifigan.train", description=__doc__.splitlines()[0])
    parser.add_argument("--filelist", required=True, help="recordings, in lines of wav_path|text|speaker|emotion")
    parser.add_argument("--mels", required=True, help="folder of predicted mels, NAME.npy for NAME.wav")
    parser.add_argument("--valid-filelist", help="held-out recordings, their mels in the same folder")
    parser.add_argument("--strict", action="store_true", help="stop at the first bad line of a filelist")
    parser.add_argument("--out", type=folder, default=Path("logs/vocoder"), help="folder for checkpoints and logs")
    parser.add_argument("--generator", help="weights to start from (default: the universal V1 generator)")
    parser.add_argument("--config", help="their config.json")
    parser.add_argument("--discriminators", help="a do_* file to take the discriminators from; much better than none")
    parser.add_argument(
        "--discriminator-channels", type=whole(1, 1024), default=CHANNELS, help="smaller is quicker and worse"
    )
    parser.add_argument(
        "--steps", type=whole(1, 10**9), default=20_000, help="total, those before a resumption included"
    )
    parser.add_argument("--batch-size", type=whole(1, 4096), default=16)
    parser.add_argument("--segment-frames", type=whole(MIN_FRAMES, 8192), default=32)
    parser.add_argument("--learning-rate", type=real(1e-12, 1), default=2e-5)
    parser.add_argument("--learning-rate-decay", type=real(1e-3, 1), default=0.999, help="factor an epoch")
    parser.add_argument("--warmup-steps", type=whole(1, 10**9), default=500, help="the rate rises linearly over these")
    parser.add_argument("--save-every", type=whole(1, 10**9), default=1000)
    parser.add_argument("--log-every", type=whole(1, 10**9), default=10)
    parser.add_argument("--workers", type=whole(0, 64), default=0, help="data-loader processes")
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=1234)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    return parser.parse_args(argv)


@reports_input_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    device = choose_device(args.device)
    audio = Audio()
    torch.manual_seed(args.seed)
    bad_lines = BadLines(args.strict)
    pairs = read_pairs(args.filelist, args.mels, audio, bad_lines)
    held_out = read_pairs(args.valid_filelist, args.mels, audio, bad_lines) if args.valid_filelist else []
    for line in bad_lines.summary():
        print(line, file=sys.stderr)
    with in_use(args.out):
        _train(args, args.out, pairs, held_out, audio, device)
    return SOME_SKIPPED if bad_lines.messages else 0


def _train(
    args: argparse.Namespace,
    out: Path,
    pairs: list[tuple[Path, Path]],
    held_out: list[tuple[Path, Path]],
    audio: Audio,
    device: torch.device,
) -> None:
    last = last_pair(out)
    generator = load_vocoder(last[0], expect=audio) if last else load_vocoder(args.generator, args.config, expect=audio)
    if not isinstance(generator, Generator):
        raise InputError(f"{args.generator} is no HiFi-GAN generator, which alone can be fine-tuned; give another")
    try:
        tuning = FineTuning(generator, args.discriminator_channels, audio, args.learning_rate, device)
    except ValueError as error:
        raise InputError(f"--discriminator-channels: {error}") from error
    if last:
        tuning.resume(*last)
        given = {"--generator": args.generator, "--config": args.config, "--discriminators": args.discriminators}
        ignored = "".join(f"; {name} is not used" for name, value in given.items() if value)
        print(shown(f"resuming from step {tuning.steps} of {out}{ignored}"))
    elif args.discriminators:
        tuning.load_discriminators(Path(args.discriminators))
    if tuning.steps >= args.steps:
        print(shown(f"{out} has {tuning.steps} steps already; give more --steps to continue"))
        return

    with replacing(out / "config.json") as temporary:
        temporary.write_text(json.dumps(generator.config.to_dict(), indent=2) + "\n", encoding="utf-8")
    if held_out:
        print(f"step {tuning.steps}  held-out mel error {validation_error(tuning, held_out, audio):.4f}")
    first = tuning.steps * args.batch_size
    loader = DataLoader(
        Segments(pairs, audio, args.segment_frames, args.seed),
        batch_size=args.batch_size,
        sampler=range(first, args.steps * args.batch_size),
        num_workers=args.workers,
        worker_init_fn=obey_only_the_parent,
        pin_memory=device.type == "cuda",
    )
    with closing(Curves(out / "logs", tuning.steps)) as curves, stopping_on_signals() as asked_to_stop:
        for mel, samples in _batches(loader):
            tuning.epoch = tuning.steps * args.batch_size // len(pairs)
            # Adam's first steps move every weight by the whole rate, which would undo a trained generator.
            warmup = min(1.0, (tuning.steps + 1) / args.warmup_steps)
            learning_rate = warmup * args.learning_rate * args.learning_rate_decay**tuning.epoch
            tuning.set_learning_rate(learning_rate)
            losses = tuning.step(mel.to(device, non_blocking=True), samples.to(device, non_blocking=True))
            ending = tuning.steps == args.steps or asked_to_stop()
            saving = ending or tuning.steps % args.save_every == 0
            if saving or tuning.steps % args.log_every == 0:
                values = {name: loss.item() for name, loss in losses.items()}
                if not all(map(math.isfinite, values.values())):
                    raise InputError(f"a loss is not finite at step {tuning.steps}; lower --learning-rate and resume")
                curves.scalars("train", {**values, "learning_rate": learning_rate}, tuning.steps)
                print(f"step {tuning.steps}  " + "  ".join(f"{name} {value:.4f}" for name, value in values.items()))
            if saving:
                tuning.save(out)
                if held_out:
                    error = validation_error(tuning, held_out, audio)
                    curves.scalars("valid", {"mel_error": error}, tuning.steps)
                    print(f"step {tuning.steps}  held-out mel error {error:.4f}")
            if ending:
                break
    print(shown(f"saved {out / f'g_{tuning.steps:08d}'}"))


def _batches(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    """Of a loader. Raises InputError, in one line, for a file that cannot be used and a loader process that died."""
    try:
        yield from batches_of(loader)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):
            raise
        raise InputError(
            "a data-loader process was killed (out of memory?); free memory, or lower --workers"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
