r"""Give a checkpoint ears: its speakers and emotions by name become voices and manners as recordings have them.

    python -m training.hearing logs/tables/checkpoint.pt logs/recordings/recordings.pt -o logs/start.pt \
        --config configs/kokoro.yaml

The voice encoder and the rate estimator are those of `python -m training.recordings`. Every layer that read a name's
row of a table reads a vector afterwards; it starts as the smoothest linear map that gives the old row for each name's
vector. Then `python train_multi_speaker.py --init logs/start.pt ...` trains it. A checkpoint that hears already gets
new ears: the same, with what its maps made of each name's old vector for the row.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from common.arguments import Parser
from common.errors import InputError, reports_input_errors
from common.files import check_file_name
from data.checkpoint_file import read_checkpoint, write_checkpoint
from data.filelist import names_of
from data.model_file import load_checkpoint
from model.checkpoint import Loaded, extend, pack, rebuilt
from model.cond_grad_tts import CondGradTTS
from model.cond_text_encoder import LOUDNESS
from text.front_end import front_end
from training import corpus, statistics
from training.overrides import resolve_params

_READS_NAMES = re.compile(r"(encoder|style)\.(\w+_)?(speaker|emotion)")  # layers
_RIDGE = 0.02  # of a map's weights, beside the squared length of the vectors


def with_hearing(loaded: Loaded, networks: dict[str, dict[str, Tensor]]) -> Loaded:
    """The model with the trained networks; tables, and maps that read them, are still to be filled.

    Raises ValueError if they do not fit.
    """
    try:
        channels = len(networks["voice"]["outlet.bias"])
    except (KeyError, TypeError) as error:
        raise ValueError("the networks are not those of training.recordings") from error
    params = replace(loaded.params, style=replace(loaded.params.style, voice_channels=channels))
    heard = rebuilt(loaded, params)
    heard.model.hearing.load_networks(networks)
    return heard


@torch.no_grad()
def start_from(old: Loaded, heard: Loaded) -> None:
    """Fit every map that reads vectors to what it gave for each name: a table's row, or what it made of its vector."""
    hearing, before = heard.model.hearing, old.model.hearing
    layers = dict(heard.model.named_modules())
    for name, layer in old.model.named_modules():
        if not _READS_NAMES.fullmatch(name):
            continue
        of_speaker = name.endswith("speaker")
        if before is None:
            vectors = hearing.voices if of_speaker else hearing.usual_manners
            _fit(layers[name], vectors[: len(layer.weight)], layer.weight)
        elif of_speaker:
            _fit(layers[name], hearing.voices[: len(before.voices)], layer(before.voices))
        else:  # the same numbers, standardised anew
            layers[name].weight.copy_(layer.weight * hearing.manner_std / before.manner_std)
            moved = (hearing.manner_mean - before.manner_mean) / before.manner_std
            layers[name].bias.copy_(layer.bias + layer.weight @ moved)
    if before is not None:
        _restandardise_loudness(old, heard)


def _restandardise_loudness(old: Loaded, heard: Loaded) -> None:
    """What mu reads of a manner: it has no constant of its own, so the speaker's takes what moves."""
    hearing, before = heard.model.hearing, old.model.hearing
    weight = old.model.encoder.loudness.weight  # (C, 2)
    std = before.manner_std[LOUDNESS]
    heard.model.encoder.loudness.weight.copy_(weight * hearing.manner_std[LOUDNESS] / std)
    moved = (hearing.manner_mean[LOUDNESS] - before.manner_mean[LOUDNESS]) / std
    heard.model.encoder.speaker.bias.add_(weight @ moved)


def _fit(linear: nn.Linear, inputs: Tensor, outputs: Tensor) -> None:
    """Ridge regression: inputs (N, width) to outputs (N, C)."""
    x, mean = inputs.double(), outputs.double().mean(0)
    centred = x - x.mean(0)
    # Fewer names than numbers: solved in the space of the names.
    # A single name differs from nothing, so its row is the bias.
    spread = centred.square().sum(1).mean().clamp(min=1e-12)
    gram = centred @ centred.T + _RIDGE * spread * torch.eye(len(x), dtype=torch.float64)
    weight = torch.linalg.solve(gram, outputs.double() - mean).T @ centred  # (C, width)
    linear.weight.copy_(weight)
    linear.bias.copy_(mean - weight @ x.mean(0))


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m training.hearing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="one that knows speakers and emotions by name")
    parser.add_argument("networks", type=Path, help="recordings.pt of training.recordings")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="for the training list, which has every speaker of the checkpoint")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args(argv)
    check_file_name(args.out)  # before the work
    old = load_checkpoint(args.checkpoint)
    if not isinstance(old.model, CondGradTTS):
        raise InputError(f"{args.checkpoint} is an official checkpoint, which has no place for a voice or a manner")
    if old.params.style.takes_embeddings:
        raise InputError(f"{args.checkpoint} takes embeddings from files instead of names, which nothing replaces")
    asked = resolve_params(args.config, args.overrides, old.params, str(args.checkpoint))
    networks = read_checkpoint(args.networks)
    try:
        heard = with_hearing(old, networks)
    except ValueError as error:
        raise InputError(f"{args.networks}: {error}") from error
    training, _ = corpus.read_filelists(asked)
    found = names_of(training)
    for kind, names, own in zip(("speaker", "emotion"), found, (old.speakers, old.emotions), strict=True):
        lacking = sorted(set(own) - set(names))
        if lacking:
            raise InputError(
                f"{asked.train.train_filelist} lacks the {kind} {lacking[0]}; give the checkpoint's corpus"
            )
    everyone = extend(heard, *found, old.symbols)
    cache = corpus.build_cache(asked, training)
    reader = front_end(old.params.text.front_end, old.symbols, old.params.text.add_blank)
    names = (everyone.speakers, everyone.emotions)
    dataset = corpus.make_dataset(asked.train.train_filelist, training, cache, reader, *names, everyone.params)
    statistics.set_voices(everyone.model, dataset, asked.train.seed, anew=True)
    statistics.set_default_references(everyone.model, dataset, asked.train.seed)
    start_from(old, everyone)
    write_checkpoint(
        args.out,
        pack(
            everyone.model,
            speakers=everyone.speakers,
            emotions=everyone.emotions,
            symbols=everyone.symbols,
            step=0,
        ),
    )
    print(f"{args.out}: hears; {len(everyone.speakers)} speakers and {len(everyone.emotions)} emotions by name")
    return 0


if __name__ == "__main__":
    sys.exit(main())
