"""Add a named voice to a checkpoint that hears, from recordings of a person; nothing is trained.

    python -m synthesis.add_voice checkpts/default.pt mine.pt --name anna anna1.wav anna2.wav

A few sentences are enough; more say better who speaks. The recordings' manner becomes the voice's neutral one, and the
other emotions lie from it as they do from other voices' neutral. Use a person's voice with that person's consent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common.arguments import Parser
from common.errors import InputError, reports_input_errors, shown


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m synthesis.add_voice",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="checkpoint to write")
    parser.add_argument("recordings", type=Path, nargs="+", metavar="recording")
    parser.add_argument("--name", required=True, help="of the new voice")
    args = parser.parse_args(argv)
    if not args.name or args.name != args.name.strip() or "|" in args.name or not args.name.isprintable():
        raise InputError(f"--name {args.name!r} cannot stand in a filelist; give letters, digits, _ or -")
    import torch  # late, so that a wrong argument is answered at once

    from data.checkpoint_file import read_checkpoint, write_checkpoint
    from data.filelist import usual_emotion
    from data.model_file import unpacked
    from model.checkpoint import extend, pack
    from synthesis.notes import recording_warnings
    from synthesis.reference import manner_of, read_reference, voice_of

    payload = read_checkpoint(args.checkpoint)
    loaded = unpacked(payload, args.checkpoint)
    if loaded.params.style.voice_channels == 0:
        raise InputError(f"{args.checkpoint} hears no voices in recordings; fine-tune it instead (--init)")
    if args.name in loaded.speakers:
        raise InputError(f"{args.checkpoint} has a voice {args.name!r} already; choose another --name")
    references = [read_reference(path, loaded.params.audio) for path in args.recordings]
    for line in recording_warnings(args.recordings):
        print(shown(f"warning: {line}"), file=sys.stderr)
    loaded = extend(loaded, [args.name], (), loaded.symbols)
    model, row = loaded.model, len(loaded.speakers) - 1
    hearing = model.hearing
    voice = voice_of(references, hearing)
    own = manner_of(references, hearing, voice)[0]
    neutral = loaded.emotions.index(usual_emotion(loaded.emotions))
    hearing.voices[row] = voice[0]
    hearing.manners[row] = hearing.usual_manners + own - hearing.usual_manners[neutral]
    mel = model.normalise(references[0].mel[None])[0]  # (n_mels, R)
    model.default_reference[row, :, : mel.shape[1]] = mel
    model.default_reference_lengths[row] = mel.shape[1]
    half = "weights" not in payload  # a published file
    names = {"speakers": loaded.speakers, "emotions": loaded.emotions, "symbols": loaded.symbols}
    dtype = torch.float16 if half else None
    write_checkpoint(args.out, pack(model, step=loaded.step, params=loaded.params, dtype=dtype, **names))
    print(shown(f"{args.out}: {args.name} from {len(references)} recordings; -s {args.name} speaks in that voice"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
