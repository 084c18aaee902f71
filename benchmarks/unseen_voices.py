"""How near a recording's voice and manner come out, for voices that the model never met.

    python benchmarks/unseen_voices.py -c CHECKPOINT --voice-packs corpora/voice-packs [--development] [--only clone]

The voices are the generator's, made of packs that nothing was trained on; every choice is made on the development ones.
A recording of a real person, and further ones of the same person, may be added: `--person NAME first.wav others/*.wav`.
Prints the tables and writes them to --out, with the wavs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from common.arguments import Parser, whole
from common.errors import InputError, reports_input_errors
from common.processes import wait_briefly

LEAST = 100  # held-out sentences, of which the voices speak some each
PARTS = ("clone", "manner", "melody", "pairs")


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument("--voice-packs", type=Path, help="to make the recordings, once")
    parser.add_argument("--recordings", type=Path, help="where they are kept; default: cache/unseen[_development]")
    parser.add_argument("--development", action="store_true", help="the voices that choices are made on")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    parser.add_argument("--sentences", type=whole(1, 10), default=10, help="of the ten; default: %(default)s")
    parser.add_argument("--person", nargs="+", metavar="FILE", help="a name, a reference, and further recordings")
    parser.add_argument("--asr", choices=("tiny", "base", "none"), default="base", help="default: %(default)s")
    parser.add_argument("--held-out", type=Path, default=Path("resources/texts/held_out.txt"))
    parser.add_argument("-o", "--out", type=Path, default=Path("out/unseen_voices"), help="default: %(default)s")
    parser.add_argument("--cache", type=Path, default=Path("cache/evaluation"), help="default: %(default)s")
    args = parser.parse_args(argv)
    if args.person and len(args.person) < 4:
        raise InputError("--person takes a name, a reference and at least two further recordings")
    wait_briefly()
    _run(args)
    return 0


def _run(args: argparse.Namespace) -> None:
    from tqdm import tqdm
    from unseen.measuring import Judge, person
    from unseen.references import judged_sentences, make_recordings

    from data.splitting import read_sentences
    from evaluation.analyser import Analyser
    from synthesis import load_model

    held_out = read_sentences(args.held_out)
    if len(held_out) < LEAST:
        raise InputError(f"{args.held_out} has {len(held_out)} sentences; {LEAST} are needed")
    synthesiser = load_model(args.checkpoint, precision="auto")
    if not synthesiser.hears:
        raise InputError(f"{args.checkpoint} hears no voice in a recording; give one that does (docs/recordings.md)")
    analyser = Analyser(args.cache, synthesiser.params.audio, args.asr)
    analyser.need("embedding")
    folder = args.recordings or Path("cache/unseen_development" if args.development else "cache/unseen")
    voices = list(tqdm(make_recordings(folder, args.voice_packs, held_out, args.development), "recordings"))
    sentences = judged_sentences(held_out)[: args.sentences]
    people = [person(args.person)] if args.person else []
    judge = Judge(synthesiser, analyser, voices, people, sentences, args.out)
    if not judge.named:
        raise InputError(f"{args.checkpoint} has none of the default corpus's voices, which clones are compared with")
    parts = {"clone": judge.clones, "manner": judge.manners, "melody": judge.melodies, "pairs": judge.pairs}
    tables = [f"{args.checkpoint} at step {synthesiser.step}, {len(voices)} voices, {len(sentences)} sentences"]
    for name, part in parts.items():
        if args.only in (None, name):
            tables.append(part())
            print(tables[-1], flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "table.md").write_text("\n\n".join(tables) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
