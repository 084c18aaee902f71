"""The comparison table of the interpolations; `make evaluate-interpolation`.

    python benchmarks/interpolation.py [-c CHECKPOINT] [--pairs 40] [--only frequency]

Every clip's numbers are kept in --out as they come, so that an interrupted run can be resumed; another checkpoint
or other options begin anew. 40 pairs take hours on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from common.arguments import Parser, folder, real, whole
from common.errors import reports_input_errors
from common.files import in_use, parse_json, read_lines
from common.processes import MOST_THREADS, wait_briefly

PARTS = ("frequency", "temporal", "linear")
_TRIED = 5  # times as many pairs are drawn where some are too near each other


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--checkpoint", type=Path, default=Path("checkpts/default.pt"))
    parser.add_argument("--bundled", type=Path, help="a checkpoint trained with style.kind=bundled, for its row")
    parser.add_argument("--reference", type=Path, default=Path("resources/held_out_reference.npz"))
    parser.add_argument("--oracle", type=Path, default=Path("resources/interpolation_oracle.json"))
    parser.add_argument("--pairs", type=whole(1, 10_000), default=40, help="default: %(default)s")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    parser.add_argument(
        "--rows", nargs="+", help="frequency rows whose name holds one of these, besides a and b; =NAME: that row alone"
    )
    parser.add_argument(
        "--apart", type=real(0, 48), default=0.0, help="frequency: only pairs whose F0 is this many semitones apart"
    )
    parser.add_argument(
        "-t", "--timesteps", type=whole(1, 10_000), help="network evaluations; default: the checkpoint's"
    )
    parser.add_argument("--temperature", type=real(0.01, 1000), help="default: the checkpoint's")
    parser.add_argument("--asr", choices=("tiny", "base", "none"), default="base", help="default: %(default)s")
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), help="CPU threads; default: torch decides")
    parser.add_argument("-o", "--out", type=folder, default=Path("out/interpolation"))
    parser.add_argument("--cache", type=folder, default=Path("cache/evaluation"))
    args = parser.parse_args(argv)
    wait_briefly()
    with in_use(args.out):
        _run(args)
    return 0


class _Kept:
    """Numbers by key, one JSON line each, as they come."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.values = {}
        for line in read_lines(path) if path.exists() else []:
            with suppress(ValueError):  # half written by a run that was killed
                key, value = parse_json(line)
                self.values[tuple(key)] = value
        if path.exists() and path.read_bytes()[-1:] not in (b"", b"\n"):  # such a half line
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def put(self, key: tuple, value: dict) -> None:
        self.values[key] = value
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, value]) + "\n")


def _run(args: argparse.Namespace) -> None:
    import torch

    from data.generator.manners import STYLES
    from evaluation.analyser import Analyser
    from held_out.reference import read_reference
    from style_pairs.pairs import SEED, draw_pairs
    from synthesis import load_model
    from synthesis.reader_file import reader_path

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    reference = read_reference(args.reference)
    pairs = draw_pairs(reference, list(STYLES), args.pairs, SEED)
    synthesiser = load_model(args.checkpoint, precision="auto")
    bundled = None if args.bundled is None else load_model(args.bundled, precision="auto")
    tasks = _tasks(args, reference, synthesiser)
    options = synthesiser.options(steps=args.timesteps, temperature=args.temperature)
    analyser = Analyser(args.cache, synthesiser.params.audio, args.asr, args.threads or 0)
    analyser.need("embedding")
    centroids = {name: voice.centroid for name, voice in reference.voices.items()}
    reader = reader_path(args.checkpoint)
    weights = args.checkpoint.read_bytes() + (reader.read_bytes() if reader.exists() else b"")
    weights += b"" if args.bundled is None else args.bundled.read_bytes()
    how = repr((asdict(options), args.asr, args.reference.read_bytes()))
    digest = hashlib.blake2b(weights + how.encode(), digest_size=4).hexdigest()
    kept = _Kept(args.out / f"measurements-{digest}.jsonl")
    if args.only in (None, "frequency"):
        _frequency(args, synthesiser, bundled, options, tasks, analyser, centroids, kept)
    if args.only in (None, "temporal"):
        _temporal(synthesiser, options, pairs, analyser, centroids, kept)
    if args.only in (None, "linear"):
        _linear(synthesiser, options, pairs, analyser, centroids, kept)
    text = "\n\n".join(_tables(args, tasks, kept))
    (args.out / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def _frequency(args, synthesiser, bundled, options, tasks, analyser, centroids, kept) -> None:
    from tqdm import tqdm

    from data.audio import write_wav
    from style_pairs.measuring import hear, measure
    from style_pairs.pairs import A, B, comparison_rows
    from style_pairs.speaking import speak_rows

    rows = [row for row in comparison_rows(bundled is not None) if _asked(row.name, args.rows)]
    for task in tqdm(tasks, "frequency", unit="text"):
        missing = [row for row in rows if ("frequency", task.number, row.name) not in kept.values]
        if not missing:
            continue
        heard, spent = {}, {}
        for spoken in speak_rows(synthesiser, task, missing, options, bundled):
            name, result = spoken.name, spoken.result
            write_wav(args.out / f"{task.number:04d}" / f"{name}.wav", result.audio, result.sample_rate)
            heard[name] = hear(result, analyser)
            spent[name] = {"nfe": result.nfe, "seconds": result.mel_seconds + result.vocoder_seconds}
            if "plain_seconds" in spoken.extra:
                spent[name]["dearer"] = result.mel_seconds / spoken.extra["plain_seconds"]
                spent[name]["leak"] = spoken.extra["leak"]
            if name in (A, B) and len(heard) < 2:
                continue  # a waits for b
            ends = [hear(end, analyser) for end in spoken.ends] if spoken.ends else [heard[A], heard[B]]
            for each in (A, B) if name == B else (name,):
                values = measure(heard[each], *ends, task.pair, centroids)
                kept.put(("frequency", task.number, each), values | spent[each])


def _asked(name: str, patterns: Sequence[str] | None) -> bool:
    if patterns is None:
        return True
    return any(name == pattern[1:] if pattern.startswith("=") else pattern in name for pattern in patterns)


def _tasks(args, reference, synthesiser) -> list:
    """The texts of the first pairs that are far enough apart, numbered among all."""
    from data.generator.manners import STYLES
    from style_pairs.pairs import SEED, TEXTS_PER_PAIR, draw_pairs
    from style_pairs.speaking import predicted_distance, tasks_of

    drawn = args.pairs if args.apart == 0 else _TRIED * args.pairs
    tasks = tasks_of(draw_pairs(reference, list(STYLES), drawn, SEED))
    of_pairs = (tasks[start : start + TEXTS_PER_PAIR] for start in range(0, len(tasks), TEXTS_PER_PAIR))
    far = (texts for texts in of_pairs if not args.apart or predicted_distance(synthesiser, texts) >= args.apart)
    return [task for texts in islice(far, args.pairs) for task in texts]


def _temporal(synthesiser, options, pairs, analyser, centroids, kept) -> None:
    from tqdm import tqdm

    from model.interpolation import Temporal
    from style_pairs.measuring import halves, rightly_heard
    from style_pairs.speaking import Task, requests_of
    from synthesis.two_styles import speak_pairs

    settings = Temporal()
    for number, pair in enumerate(tqdm(pairs, "temporal", unit="pair")):
        if ("temporal", number, "") in kept.values:
            continue
        task = Task(number, pair, " ".join(pair.texts[:2]))
        spoken = next(speak_pairs(synthesiser, *([r] for r in requests_of(synthesiser, task)), [settings], options))
        a, b, between = (halves(result, settings.cross) for result in (spoken.a, spoken.b, spoken.between[0]))
        if not all(cut.long_enough for cut in (a, b, between)):
            kept.put(("temporal", number, ""), {})
            continue
        one, two = pair.speaker_a, pair.speaker_b
        right = rightly_heard(between, (one, two), (two, one), centroids, analyser)
        plain = rightly_heard(a, (one, one), (two, two), centroids, analyser)
        plain += rightly_heard(b, (two, two), (one, one), centroids, analyser)
        values = {
            "right": sum(right) / len(right),
            "right_plain": sum(plain) / len(plain),
            "jump": between.jump,
            "jump_plain": (a.jump + b.jump) / 2,
        }
        kept.put(("temporal", number, ""), values)


def _linear(synthesiser, options, pairs, analyser, centroids, kept) -> None:
    from tqdm import tqdm

    from model.interpolation import Linear
    from style_pairs.measuring import SWEEP, judge_sweep
    from style_pairs.speaking import Task, requests_of
    from synthesis.two_styles import speak_pairs

    for number, pair in enumerate(tqdm(pairs, "linear", unit="pair")):
        if ("linear", number, "") in kept.values:
            continue
        requests = ([request] for request in requests_of(synthesiser, Task(number, pair, pair.texts[0])))
        spoken = next(speak_pairs(synthesiser, *requests, [Linear(weight=w) for w in SWEEP], options))
        match = judge_sweep(spoken.between, centroids[pair.speaker_a], centroids[pair.speaker_b], analyser)
        kept.put(("linear", number, ""), asdict(match))


def _tables(args: argparse.Namespace, tasks: Sequence, kept: _Kept) -> Iterator[str]:
    from evaluation.statistics import bootstrap_mean
    from model.interpolation.pitch_transfer import MASKS
    from style_pairs.measuring import APART
    from style_pairs.pairs import MASK_NAMES, A, B, comparison_rows, default_row
    from style_pairs.table import ORACLE, markdown, read_oracle, tuned_markdown

    rows = comparison_rows(args.bundled is not None)
    default = default_row(rows).name
    oracle = read_oracle(args.oracle, with_words=args.asr == "base")
    asked = [A, B, *(row.name for row in rows if _asked(row.name, args.rows))]
    clips = defaultdict(dict)  # by text and row
    for (part, number, name), values in kept.values.items():
        if part == "frequency":
            clips[number][name] = values
    kept_rows = {name for values in clips.values() for name in values}
    known = [name for name in asked if name in kept_rows]  # a table is of the texts that have all of these
    for title, chosen in (
        ("All pairs", tasks),
        ("Same register", [task for task in tasks if task.pair.same_register]),
        ("Cross register", [task for task in tasks if not task.pair.same_register]),
    ):
        measured = defaultdict(list)
        complete = [task for task in chosen if known and clips[task.number].keys() >= set(known)]
        for task in complete:
            for name in known:
                measured[name].append(clips[task.number][name])
            if task.number in oracle and A in clips[task.number]:
                measured[ORACLE].append(oracle[task.number][ORACLE])
        if measured and len(measured[ORACLE]) < len(complete):  # it would be of other texts
            del measured[ORACLE]
        if measured:
            yield f"{title} ({len(measured[A])} texts)\n\n{markdown(measured, default)}"
    tuned = tuned_markdown([clips[task.number] for task in tasks], [MASK_NAMES[mask] for mask in MASKS])
    if tuned:
        yield tuned
    texts = {task.number for task in tasks}
    temporal = [v for (part, number, _), v in kept.values.items() if part == "temporal" and number in texts and v]
    if temporal:
        means = {name: bootstrap_mean([v[name] for v in temporal]).value for name in temporal[0]}
        yield (
            f"Temporal, {len(temporal)} texts with halves of at least 2 s: right nearest speaker of the two "
            f"{means['right']:.1%} (plain runs {means['right_plain']:.1%}); level jump {means['jump']:.1f} dB "
            f"(plain runs {means['jump_plain']:.1f} dB)"
        )
    linear = [v for (part, number, _), v in kept.values.items() if part == "linear" and number < args.pairs]
    sweeps = [v for v in linear if v["apart"] >= APART]
    if sweeps:
        shares = [sum(v[name] for v in sweeps) / len(sweeps) for name in ("f0_monotone", "voice_monotone")]
        yield (
            f"Linear sweep, {len(sweeps)} pairs at least {APART:g} semitones apart: "
            f"F0 median monotone {shares[0]:.1%}, "
            f"speaker cosine monotone {shares[1]:.1%}"
        )


if __name__ == "__main__":
    raise SystemExit(main())
