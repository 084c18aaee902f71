"""A corpus in its published layout -> filelists, tables of speakers and emotions, and the feature cache.

    python prepare_data.py kathleen /data/kathleen --out corpora/kathleen
    python prepare_data.py kokoro --out corpora/kokoro ...

Writes to --out: train.txt and valid.txt (and test.txt where one is published), speakers.txt, emotions.txt,
summary.txt, rejects.txt, and, with external embeddings, speaker_embeddings.npz and emotion_embeddings.npz.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common.errors import InputError, reports_input_errors
from common.files import replacing
from data.cache import FeatureCache, Reject
from data.corpora import READERS
from data.embeddings import collect_embeddings, write_embeddings
from data.filelist import Utterance, read_filelist, write_filelist
from data.preparation import build_features, read_corpus, reject_unusable, summary, write_names
from data.splitting import Split, hold_out, read_sentences, split_by_sentence, split_published
from params import Params
from text.front_end import front_end

GENERATED = "kokoro"


def _parser(name: str | None) -> argparse.ArgumentParser:
    """The parser; the generator's own options are there only when `name` asks for it, since they need its packages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    corpora = parser.add_subparsers(dest="name", metavar="NAME", required=True)
    for corpus in (*READERS, GENERATED):
        text = "generate a corpus with exact labels" if corpus == GENERATED else f"prepare the corpus {corpus}"
        command = corpora.add_parser(corpus, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        if corpus != GENERATED:
            command.add_argument("source", metavar="SOURCE", type=Path, help="top folder of the corpus")
            command.add_argument(
                "--valid", type=_valid, default=100, help="utterances to hold out, by sentence; or 'published'"
            )
            command.add_argument(
                "--held-out", type=Path, help="file with lines 'name|sentence': these sentences go to test.txt"
            )
            command.add_argument("--min-seconds", type=float, default=0.5, help="reject what is shorter")
            command.add_argument("--max-seconds", type=float, default=15.0, help="reject what is longer")
        elif name == GENERATED:
            from data.generator import corpus as generator

            generator.add_arguments(command)
        command.add_argument("--out", type=Path, required=True, help="folder for filelists and tables")
        command.add_argument("--cache", type=Path, default=Path(Params().train.cache_dir), help="feature cache")
        command.add_argument("--seed", type=int, default=0, help="of all that is random")
        command.add_argument("--workers", type=int, default=1, help="processes")
        command.add_argument(
            "--shard",
            type=_shard,
            default=(0, 1),
            help="i/n, i from 0: extract only a share of the features, on one of n machines with a common cache; "
            "run once more without it for the filelists",
        )
        command.add_argument("--speaker-embeddings", type=Path, help="folder with a .npy for each wav")
        command.add_argument("--emotion-embeddings", type=Path, help="folder with a .npy for each wav")
    return parser


def _valid(text: str) -> int | str:
    if text == "published" or text.isdecimal():
        return text if text == "published" else int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of utterances nor 'published'")


def _shard(text: str) -> tuple[int, int]:
    number, _, shards = text.partition("/")
    if not (number.isdecimal() and shards.isdecimal() and int(number) < int(shards)):
        raise argparse.ArgumentTypeError(f"{text!r} is not i/n with i from 0 to n - 1")
    return int(number), int(shards)


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    args = _parser(argv[0] if argv else None).parse_args(argv)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        return _prepare(args)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _prepare(args: argparse.Namespace) -> int:
    cache = FeatureCache(args.cache, Params().audio)
    split, rejects = (_generated if args.name == GENERATED else _published)(args, cache)
    if split is None:
        print(f"share {args.shard[0]} of {args.shard[1]} is in {args.cache}; run without --shard for the filelists")
        return 0
    parts = {name: part for name in ("train", "valid", "test") if (part := getattr(split, name))}
    everything = [utterance for part in parts.values() for utterance in part]
    for kind, folder in (("speaker", args.speaker_embeddings), ("emotion", args.emotion_embeddings)):
        if folder is not None:
            write_embeddings(args.out / f"{kind}_embeddings.npz", collect_embeddings(folder, everything))
    write_names(args.out / "speakers.txt", (u.speaker for u in (*split.train, *split.valid)))
    write_names(args.out / "emotions.txt", (u.emotion for u in (*split.train, *split.valid)))
    for name, part in parts.items():
        write_filelist(args.out / f"{name}.txt", part)
    table = summary(parts, rejects, cache.audio_params.sample_rate)
    listed = "".join(f"{reject.path}\t{reject.reason}\n" for reject in rejects)
    for name, content in (("summary.txt", f"{table}\n"), ("rejects.txt", listed)):
        with replacing(args.out / name) as temporary:
            temporary.write_text(content, encoding="utf-8", errors="backslashreplace")
    print(table)
    print(f"written to {args.out}")
    return 0


def _published(args: argparse.Namespace, cache: FeatureCache) -> tuple[Split | None, list[Reject]]:
    """Read, sort out, extract, split. No split for a share of the work."""
    text = Params().text
    reader = front_end(text.front_end, add_blank=text.add_blank)
    utterances, rejects = read_corpus(READERS[args.name], args.source)
    if args.held_out is not None:
        utterances = hold_out(utterances, read_sentences(args.held_out))
    utterances, unusable = reject_unusable(utterances, reader, cache.audio_params, args.min_seconds, args.max_seconds)
    utterances, failed = build_features(utterances, cache, args.workers, args.shard)
    if args.shard[1] > 1:
        return None, []
    rejects += unusable + failed
    if not utterances:
        raise InputError(f"{args.source}: every utterance was rejected, e.g. {rejects[0].path}: {rejects[0].reason}")
    if args.valid == "published":
        split = split_published(utterances)
    else:
        split = split_by_sentence(utterances, args.valid, args.seed)
    rejects += [Reject(Path(u.wav), "its sentence is held out") for u in split.left_out]
    return split, rejects


def _generated(args: argparse.Namespace, cache: FeatureCache) -> tuple[Split | None, list[Reject]]:
    """Let the generator write wavs, labels and filelists; then extract."""
    from data.generator import corpus as generator

    generator.generate(args)
    parts: dict[str, list[Utterance]] = {}
    rejects: list[Reject] = []
    for name in ("train", "valid"):
        utterances = [replace(u, wav=Path(u.wav).absolute()) for u in read_filelist(args.out / f"{name}.txt")]
        parts[name], failed = build_features(utterances, cache, args.workers, args.shard)
        rejects += failed
    return (None if args.shard[1] > 1 else Split(**parts)), rejects


if __name__ == "__main__":
    raise SystemExit(main())
