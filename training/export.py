"""A small checkpoint to publish: the averaged weights of a run, in half precision.

    python -m training.export logs/mine mine.pt --inference steps=2,temperature=2

Takes a log folder or its checkpoint. `--inference` sets what a user of the file gets by default; `--speakers` and
`--emotions` keep those names alone, of a model that hears. A name that ends in
`.safetensors` makes (and reads) a file of that format, with the parameters in its header.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common.arguments import Parser
from common.errors import InputError, reports_input_errors, shown


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m training.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="log folder or checkpoint")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument(
        "--inference",
        default="",
        metavar="key=value,...",
        help="what the file's user gets unasked, such as steps=2,temperature=2; default: as the source has it",
    )
    parser.add_argument("--speakers", metavar="name,...", help="keep these alone; default: all")
    parser.add_argument("--emotions", metavar="name,...", help="likewise")
    arguments = parser.parse_args(argv)
    import torch  # late, so that a wrong argument is answered at once

    from data.checkpoint_file import write_checkpoint
    from data.model_file import load_checkpoint
    from model.checkpoint import pack, with_names
    from model.cond_grad_tts import CondGradTTS
    from training.overrides import resolve_params
    from training.saving import checkpoint_path

    source = checkpoint_path(arguments.source) if arguments.source.is_dir() else arguments.source
    asked = [f"inference.{item.strip()}" for item in arguments.inference.split(",") if item.strip()]
    inference = resolve_params(None, asked).inference
    loaded = load_checkpoint(source)
    if not isinstance(loaded.model, CondGradTTS):
        raise InputError(f"{source}: an official state dict is published as it is")
    try:
        if arguments.speakers is not None or arguments.emotions is not None:
            loaded = with_names(loaded, _names(arguments.speakers), _names(arguments.emotions))
        given = {item.partition("=")[0].removeprefix("inference.") for item in asked}
        changes = {name: getattr(inference, name) for name in given}
        params = replace(loaded.params, inference=replace(loaded.params.inference, **changes))
        payload = pack(
            loaded.model,
            speakers=loaded.speakers,
            emotions=loaded.emotions,
            symbols=loaded.symbols,
            step=loaded.step,
            params=params,
            dtype=torch.float16,
        )
    except ValueError as error:
        raise InputError(f"{source}: {error}") from error
    write_checkpoint(arguments.out, payload)
    megabytes = arguments.out.stat().st_size / 1e6
    defaults = ", ".join(f"{name} {value}" for name, value in vars(params.inference).items())
    print(shown(f"{arguments.out}: {megabytes:.1f} MB, step {loaded.step}; {defaults}"))
    return 0


def _names(listed: str | None) -> list[str] | None:
    return None if listed is None else [name.strip() for name in listed.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
