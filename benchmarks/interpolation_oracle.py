"""Make resources/interpolation_oracle.json: what the corpus's own generator does with the pairs of the comparison.

    python benchmarks/interpolation_oracle.py --voice-packs corpora/voice-packs

The oracle is the generator's b with only its F0 replaced by a's, phone by phone. It is measured like every other row,
against the generator's a and b. Clips that are there already are not made again. Needs the packages of the corpus and
of the evaluation.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from common.arguments import Parser, folder, whole
from common.errors import reports_input_errors
from data.generator.corpus import Spoken, speak, write_spoken
from data.generator.engine import KokoroEngine
from data.generator.manners import STYLES
from data.generator.voices import pack_voice
from evaluation.analyser import Analyser
from evaluation.speech import phones_of_recording
from held_out.reference import read_reference
from params import Audio
from style_pairs.measuring import Heard, measure
from style_pairs.pairs import SEED, A, B, draw_pairs
from style_pairs.speaking import Task, tasks_of
from style_pairs.table import ORACLE, write_oracle


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice-packs", type=Path, required=True, help="as of prepare_data.py kokoro")
    parser.add_argument("--reference", type=Path, default=Path("resources/held_out_reference.npz"))
    parser.add_argument("--pairs", type=whole(1, 10_000), default=40)
    parser.add_argument("--work", type=folder, default=Path("out/interpolation_oracle"), help="for the wavs it makes")
    parser.add_argument("--cache", type=folder, default=Path("cache/evaluation"))
    parser.add_argument("-o", "--out", type=Path, default=Path("resources/interpolation_oracle.json"))
    args = parser.parse_args(argv)
    reference = read_reference(args.reference)
    centroids = {name: voice.centroid for name, voice in reference.voices.items()}
    analyser = Analyser(args.cache, Audio(), "base", 1)
    engine = KokoroEngine(args.voice_packs)
    rows = {}
    for task in tqdm(tasks_of(draw_pairs(reference, list(STYLES), args.pairs, SEED)), "oracle", unit="text"):
        heard = {name: _hear(engine, task, name, args.work, analyser) for name in (A, B, ORACLE)}
        rows[task.number] = {
            name: measure(each, heard[A], heard[B], task.pair, centroids) for name, each in heard.items()
        }
        write_oracle(args.out, rows)
    return 0


def _hear(engine: KokoroEngine, task: Task, name: str, work: Path, analyser: Analyser) -> Heard:
    wav = work / f"{task.number:04d}_{name.split(' ')[0]}.wav"
    if not wav.exists():
        write_spoken(wav, _speak(engine, task, name))
    sound = analyser.sound(wav)
    speech = analyser.speech(sound, phones_of_recording(wav, analyser.audio_params))
    return Heard(task.text, speech, analyser.embedding(sound), analyser.transcript(sound))


def _speak(engine: KokoroEngine, task: Task, name: str) -> Spoken:
    pair = task.pair
    a = (pack_voice(pair.speaker_a), STYLES[pair.style_a])
    b = (pack_voice(pair.speaker_b), STYLES[pair.style_b])
    if name == A:
        return speak(engine, task.text, *a)
    if name == B:
        return speak(engine, task.text, *b)
    return speak(engine, task.text, *b, *a)


if __name__ == "__main__":
    raise SystemExit(main())
