"""Make docs/images/staged.png: what the pitch reader sees before every evaluation, not tuned, at random, and tuned.

python benchmarks/staged_picture.py [-c CHECKPOINT] [-o PICTURE]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common.arguments import Parser
from common.errors import reports_input_errors
from model.interpolation import Staged

TEXT = "The ferry leaves at noon."
A, B = {"speaker": "bf_lily", "emotion": "happy"}, {"speaker": "am_liam", "emotion": "calm"}
KINDS = {
    "not tuned": Staged(epoch=0),
    "harmonics, random steps": Staged(mask="harmonics", direction="random"),
    "harmonics": Staged(mask="harmonics"),
    "no mask": Staged(mask="none"),
}


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    from synthesis import load_model
    from synthesis.reading_plots import plot_readings
    from synthesis.two_styles import speak_pairs

    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--checkpoint", type=Path, default=Path("checkpts/default.pt"))
    parser.add_argument("-o", "--out", type=Path, default=Path("docs/images/staged.png"))
    args = parser.parse_args(argv)
    model = load_model(args.checkpoint)
    a, b = (model.requests([TEXT], **style, ref=None) for style in (A, B))
    (pair,) = speak_pairs(model, a, b, list(KINDS.values()), model.options())
    plot_readings(args.out, pair, {name: number for number, name in enumerate(KINDS)}, model.params.audio)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
