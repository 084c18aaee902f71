"""What the prosody options and markup come out as; the tables of docs/prosody.md.

    python benchmarks/prosody.py [-c CHECKPOINT] [--sentences 10] [--voices 3] [--words 50] [--only options]

Every sentence is spoken plain and changed, from the same noise, and both are measured on the audio: F0 by Praat, level
and pauses by the mel of the audio. About 12 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.arguments import Parser, folder, whole
from common.errors import InputError, reports_input_errors
from common.files import in_use, read_lines
from common.processes import wait_briefly

if TYPE_CHECKING:
    import numpy as np

    from synthesis.result import Result
    from synthesis.synthesiser import Synthesiser

TEXTS = Path("resources/texts/held_out.txt")
ACTIVE_DB = 40.0  # frames this far below the loudest are silence
VOICED = 8  # frames of a word in which its pitch can be measured
BREAKS = (0.0, 0.15, 0.3, 1.0)  # seconds


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument(
        "--texts", type=Path, default=TEXTS, help="lines of a sentence, or id|sentence; default: %(default)s"
    )
    parser.add_argument(
        "--sentences", type=whole(1, 10**6), default=10, help="that are spoken whole; default: %(default)s"
    )
    parser.add_argument(
        "--voices", type=whole(1, 1000), default=3, help="that speak each of them; default: %(default)s"
    )
    parser.add_argument(
        "--words", type=whole(1, 10**6), default=50, help="that are changed alone; default: %(default)s"
    )
    parser.add_argument("--only", choices=_PARTS, help="one part of it")
    parser.add_argument(
        "--seed", type=whole(0, 2**63 - 1), default=0, help="of noise and choices; default: %(default)s"
    )
    parser.add_argument("-o", "--out", type=folder, default=Path("out/prosody"), help="default: %(default)s")
    args = parser.parse_args(argv)
    wait_briefly()
    with in_use(args.out):
        _measure(args)
    return 0


def _measure(args: argparse.Namespace) -> None:
    from synthesis import load_model

    texts = [line.rpartition("|")[2].strip() for line in read_lines(args.texts) if line.strip()]
    if len(texts) < args.sentences:
        raise InputError(f"{args.texts} has {len(texts)} sentences; ask for no more than that")
    synthesiser = load_model(args.checkpoint)
    measure = {
        "options": lambda: _options(synthesiser, texts[: args.sentences], args.voices, args.seed),
        "markup": lambda: _markup(synthesiser, texts, args.words, args.seed),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    text, numbers = f"{args.checkpoint} at step {synthesiser.step}\n", {}
    for part in _PARTS:
        if args.only in (None, part):
            numbers[part] = measure[part]()
            text += f"\n{_PARTS[part](numbers[part])}\n"
            (args.out / "table.md").write_text(text, encoding="utf-8")
            (args.out / "table.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    print(text, end="")


# ------------------------------------------------------------------ measuring


class _Heard:
    """A result as it sounds."""

    def __init__(self, result: Result, synthesiser: Synthesiser) -> None:
        from data.mel import DB_PER_UNIT, frame_energy, mel_spectrogram
        from data.pitch import extract_f0

        audio = synthesiser.params.audio
        self.result = result
        self.frame_seconds = audio.hop_length / audio.sample_rate
        self.f0 = extract_f0(result.audio, audio)  # (T,) Hz, 0 where unvoiced
        self.level = frame_energy(mel_spectrogram(result.audio, audio)) * DB_PER_UNIT  # (T,) dB

    @property
    def active(self) -> np.ndarray:
        return self.level > self.level.max() - ACTIVE_DB

    @property
    def semitones(self) -> np.ndarray:
        """Of the voiced frames."""
        import numpy as np

        return 12 * np.log2(self.f0[self.f0 > 0])

    def frames(self, start: float, end: float) -> slice:
        """Those between two times."""
        return slice(round(start / self.frame_seconds), round(end / self.frame_seconds))


def _pitch(plain: _Heard, changed: _Heard) -> float:
    import numpy as np

    return float(np.median(changed.semitones) - np.median(plain.semitones))


def _range(plain: _Heard, changed: _Heard) -> float:
    import numpy as np

    spans = [np.subtract(*np.percentile(heard.semitones, [90, 10])) for heard in (plain, changed)]
    return float(spans[1] / spans[0])


def _speed(plain: _Heard, changed: _Heard) -> float:
    import numpy as np

    spans = [np.ptp(np.flatnonzero(heard.active)) + 1 for heard in (plain, changed)]
    return float(spans[0] / spans[1])


def _level(plain: _Heard, changed: _Heard) -> float:
    return float((changed.level - plain.level)[plain.active].mean())


# By option: its value, that of no change, and what measures it.
_OPTIONS: dict[str, tuple[str, float, float, Callable[[_Heard, _Heard], float]]] = {
    "--pitch-shift +2": ("pitch", 2.0, 0.0, _pitch),
    "--pitch-range 1.3": ("range", 1.3, 1.0, _range),
    "--speed .9": ("rate", 0.9, 1.0, _speed),
    "--volume -3": ("volume", -3.0, 0.0, _level),
}


def _options(synthesiser: Synthesiser, texts: Sequence[str], voices: int, seed: int) -> dict[str, Any]:
    """By option: what was asked, what it is without, and what came out in every run."""
    from tqdm import tqdm

    from synthesis.prosody_edits import ProsodyEdits
    from text.prosody import Prosody

    found: dict[str, list[float]] = {name: [] for name in _OPTIONS}
    spoken: list[str] = []
    speakers = synthesiser.speakers
    for number, text in enumerate(tqdm(texts, "options", unit="sentence")):
        for turn in range(voices):
            speaker = speakers[(number * voices + turn) % len(speakers)]

            def speak(edits: ProsodyEdits, text: str = text, speaker: str = speaker) -> _Heard:
                (result,) = synthesiser.synthesise([text], speaker=speaker, seed=seed, edits=edits)
                return _Heard(result, synthesiser)

            plain = speak(ProsodyEdits())
            for name, (field, asked, _, measure) in _OPTIONS.items():
                found[name].append(measure(plain, speak(ProsodyEdits(Prosody(**{field: asked})))))
            spoken.append(speaker)
    return {
        name: {"asked": asked, "neutral": neutral, "found": found[name], "speakers": spoken}
        for name, (_, asked, neutral, _) in _OPTIONS.items()
    }


def _markup(synthesiser: Synthesiser, texts: Sequence[str], words: int, seed: int) -> dict[str, list]:
    """Of single words raised by 2 st: their move and their neighbours'; and how breaks err, in frames."""
    import numpy as np
    from tqdm import tqdm

    names = ("words", "word", "word, frame by frame", "neighbour", "break", "in the break")
    found: dict[str, list] = {name: [] for name in names}
    with tqdm(total=words, desc="markup", unit="word") as bar:
        for number, (speaker, text, tokens, at) in enumerate(_chosen_words(synthesiser.speakers, texts, seed)):
            if len(found["word"]) >= words:
                break

            def speak(text: str, speaker: str = speaker) -> _Heard:
                (result,) = synthesiser.synthesise([text], speaker=speaker, seed=seed)
                return _Heard(result, synthesiser)

            raised = [*tokens[:at], f'<prosody pitch="+2st">{tokens[at]}</prosody>', *tokens[at + 1 :]]
            plain = speak(text)
            changed = speak(f"<speak>{' '.join(raised)}</speak>")
            medians, frames = _moves(plain, changed, at)
            if np.isnan(medians):
                continue
            found["word"].append(medians)
            found["word, frame by frame"].append(frames)
            beside = [_moves(plain, changed, word)[0] for word in (at - 1, at + 1)]
            found["neighbour"] += [move for move in beside if not np.isnan(move)]
            found["words"].append(f"{speaker}: {tokens[at]}")
            bar.update()
            seconds = BREAKS[number % len(BREAKS)]
            paused = f"{' '.join(tokens[: at + 1])} <break time='{seconds}s'/> {' '.join(tokens[at + 1 :])}"
            heard = speak(f"<speak>{paused}</speak>")
            before, after = heard.result.word_times[at : at + 2]
            has_mark = seconds > 0 or tokens[at][-1] in ",;:"
            if has_mark:
                found["break"].append((after.start - before.end - seconds) / heard.frame_seconds)
                inside = heard.level[heard.frames(before.end, after.start)][2:-2]
                if len(inside):
                    found["in the break"].append(float(inside.max() - heard.level.max()))
    if not found["word"]:
        raise InputError("no sentence has a word to change: four words or more, all of letters, and one that is voiced")
    return found


def _chosen_words(
    speakers: Sequence[str], texts: Sequence[str], seed: int
) -> Iterator[tuple[str, str, list[str], int]]:
    """A random inner word of each sentence, again and again: speaker, text, its words as written, and which."""
    import numpy as np

    random = np.random.default_rng(seed)
    for number in range(20 * len(texts)):
        text = texts[number % len(texts)]
        tokens = text.split()
        if all(token.strip(",.;:!?\"'").isalpha() for token in tokens) and len(tokens) > 3:
            yield speakers[number % len(speakers)], text, tokens, int(random.integers(1, len(tokens) - 1))


def _moves(plain: _Heard, changed: _Heard, word: int) -> tuple[float, float]:
    """How a word's pitch moved, in semitones; NaN where too little is voiced.

    Twice: how far its median moved, each over its own voiced frames; and the median of how far a frame moved, over
    those that are voiced in both. Where a word falls steeply, the first also moves when frames at its end lose voice.
    """
    import numpy as np

    time = plain.result.word_times[word]
    first, second = (heard.f0[heard.frames(time.start, time.end)] for heard in (plain, changed))
    both = (first > 0) & (second > 0)
    if both.sum() < VOICED:
        return np.nan, np.nan
    medians = [np.median(f0[f0 > 0]) for f0 in (first, second)]
    return float(12 * np.log2(medians[1] / medians[0])), float(12 * np.median(np.log2(second[both] / first[both])))


# -------------------------------------------------------------------- tables


def _table_of_options(numbers: dict[str, Any]) -> str:
    import numpy as np

    lines = ["| option | comes out as | of the change | 90% of the runs |", "|---|---|---|---|"]
    for name, one in numbers.items():
        found, change = np.array(one["found"]), one["asked"] - one["neutral"]
        low, high = np.percentile(found, [5, 95])
        middle = np.median(found)
        share = 100 * (middle - one["neutral"]) / change
        lines.append(f"| `{name}` | {middle:.2f} | {share:.0f}% | {low:.2f} to {high:.2f} |")
    return "\n".join(lines)


def _table_of_markup(numbers: dict[str, list]) -> str:
    import numpy as np

    found = {name: np.array(values) for name, values in numbers.items() if name != "words"}
    word, by_frame, neighbour = found["word"], found["word, frame by frame"], np.abs(found["neighbour"])
    return "\n".join(
        [
            "| markup | |",
            "|---|---|",
            f"| +2 st on a word ({len(word)} words): median | {np.median(word):+.2f} st |",
            f"| within .5 st of it | {100 * np.mean(np.abs(word - 2) < 0.5):.0f}% |",
            f"| the same, frames that are voiced in both | {np.median(by_frame):+.2f} st, "
            f"{100 * np.mean(np.abs(by_frame - 2) < 0.5):.0f}% |",
            f"| its neighbours ({len(neighbour)}): median, and share below .3 st | {np.median(neighbour):.2f} st, "
            f"{100 * np.mean(neighbour < 0.3):.0f}% |",
            f"| breaks ({len(found['break'])}): largest error by the report's times | "
            f"{np.abs(found['break']).max(initial=0):.2f} frames |",
            f"| loudest frame inside a break, without two at either end | "
            f"{found['in the break'].max(initial=-np.inf):.0f} dB |",
        ]
    )


_PARTS: dict[str, Callable[[Any], str]] = {"options": _table_of_options, "markup": _table_of_markup}

if __name__ == "__main__":
    raise SystemExit(main())
