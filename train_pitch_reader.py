"""Train the pitch reader of a checkpoint, which `--method staged` asks; the checkpoint itself stays as it is.

    python train_pitch_reader.py -c checkpts/default.pt -f resources/filelists/tiny_train.txt

Writes CHECKPOINT.reader.pt beside CHECKPOINT.pt: minutes on one core. It learns from recordings (any voices), and from
utterances that the model itself speaks with these texts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common.errors import InputError, reports_input_errors

SHOWN_LEVELS = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0)


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--checkpoint", type=Path, default=Path("checkpts/default.pt"))
    parser.add_argument(
        "-f", "--filelists", nargs="+", default=["resources/filelists/tiny_train.txt"], help="recordings to learn from"
    )
    parser.add_argument(
        "--valid", nargs="+", default=["resources/filelists/tiny_valid.txt"], help="recordings to measure on"
    )
    parser.add_argument("--spoken", type=int, default=150, help="utterances of the model itself; default: %(default)s")
    parser.add_argument("--steps", type=int, default=1500, help="default: %(default)s")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="feature cache")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    for name, least in (("spoken", 0), ("steps", 1), ("threads", 1)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} must be at least {least}")
    _train(args)
    return 0


def _train(args: argparse.Namespace) -> None:
    import numpy as np
    import torch
    from tqdm import tqdm

    from data.cache import FeatureCache
    from data.checkpoint_file import read_checkpoint, write_checkpoint
    from data.filelist import read_filelist
    from model.checkpoint import unpack
    from model.cond_grad_tts import CondGradTTS
    from model.pitch_reader import PitchReader, pack_reader
    from model.source_picture import SourcePicture
    from synthesis.reader_file import reader_path
    from training.pitch_reader import Distractors, Examiner, read_recording, speak_recording

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    try:
        loaded = unpack(read_checkpoint(args.checkpoint))
    except ValueError as error:
        raise InputError(f"{args.checkpoint}: {error}; give another checkpoint") from error
    if not isinstance(loaded.model, CondGradTTS):
        raise InputError(f"{args.checkpoint} is an official checkpoint, which reads no contours; give another")
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
    reader = PitchReader(params.audio.n_mels)
    examiner = Examiner(reader, SourcePicture(params.audio), params.diffusion.residual_std)
    with tqdm(total=args.steps, unit="step", disable=None) as bar:

        def report(step: int, loss: float, right: float) -> None:
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", right=f"{right:.0%}")

        examiner.train(Distractors(recorded + spoken), args.steps, args.seed, report)
    path = reader_path(args.checkpoint)
    write_checkpoint(path, pack_reader(reader))
    asked = Distractors(held_out)
    shown = "  ".join(f"{s:g}: {examiner.accuracy(asked, s, args.seed):.1%}" for s in SHOWN_LEVELS)
    print(f"frames told rightly at noise level s, {len(held_out)} held-out recordings: {shown}\nwritten to {path}")


if __name__ == "__main__":
    raise SystemExit(main())
