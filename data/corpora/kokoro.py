"""The generated corpus: Kokoro-82M speaks own sentences in several voices and styles, with exact labels.

Every utterance is determined by (seed, index), so an interrupted run continues where it stopped, several processes can
share the work, and any first part of the corpus is balanced over voices and styles.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from tqdm import tqdm

from common.errors import InputError
from common.files import replacing
from common.processes import map_in_processes
from data.audio import write_wav
from data.corpora.kokoro_engine import CONTOUR_RATE, FRAME_SAMPLES, SAMPLE_RATE, VOICED_HZ, KokoroEngine, Prosody
from data.corpora.kokoro_phones import kokoro_groups
from data.corpora.kokoro_styles import STYLES, apply_style, with_f0_of
from data.corpora.sentences import training_sentences
from data.filelist import Utterance, write_filelist
from data.labels import labels_path
from params import Audio
from text.front_end import arpabet_front_end
from text.symbols import BLANK

# Far apart in timbre (largest cosine of speaker embeddings within either group .67), two US and two UK in each.
DEFAULT_VOICES = (
    "af_jessica", "af_kore", "bf_isabella", "bf_lily", "am_liam", "am_michael", "bm_fable", "bm_lewis",
)  # fmt: skip
LEAD_FRAMES = 4  # duration frames kept before the first symbol, ADVANCE_FRAMES of which are its own
ADVANCE_FRAMES = 2
FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and are as at be been but by can could did do does for from had has have he her him his i if in is it
        its me may might must my nor of on or our shall she should so than that the their them then there these they
        this those to us was we were which who will with would you your""",
    )
)
_PILOT_UTTERANCES = 16  # whose mean length estimates how many utterances the asked hours take


@dataclass(frozen=True)
class Plan:
    """What one utterance of the corpus is."""

    index: int
    text: str
    voice: str
    style: str
    f0_donor: str | None  # the voice whose F0 it is spoken with
    held_out: bool  # belongs to the validation filelist


def plan_corpus(
    sentences: list[str], voices: tuple[str, ...], styles: tuple[str, ...], count: int, foreign_f0: float, seed: int
) -> list[Plan]:
    """`count` utterances: every block of len(voices) * len(styles) holds each pair once, in random order."""
    rng = np.random.default_rng(seed)
    pairs = [(voice, style) for voice in voices for style in styles]
    order: list[int] = []
    drawn: list[tuple[str, str]] = []
    plans = []
    for index in range(count):
        if not order:
            order = rng.permutation(len(sentences)).tolist()
        if not drawn:
            drawn = [pairs[i] for i in rng.permutation(len(pairs))]
        sentence, (voice, style) = order.pop(), drawn.pop()
        others = [other for other in voices if other != voice]
        draw, donor = rng.random(), rng.integers(max(len(others), 1))
        f0_donor = others[donor] if others and draw < foreign_f0 else None
        plans.append(Plan(index, sentences[sentence], voice, style, f0_donor, held_out=sentence % 50 == 0))
    return plans


@dataclass
class Spoken:
    """One utterance with its exact labels."""

    audio: np.ndarray  # (samples,) at 24 kHz
    symbols: list[str]  # ARPAbet, spaces and punctuation, without blanks
    symbol_seconds: np.ndarray  # (len(symbols),); silence at the ends belongs to the first and the last
    f0: np.ndarray  # Hz at CONTOUR_RATE values a second, 0 where unvoiced
    energy: np.ndarray  # Kokoro's unit, at the same rate


def speak(
    engine: KokoroEngine,
    text: str,
    voice: str,
    style: str,
    f0_donor: str | None = None,
    donor_style: str | None = None,
) -> Spoken:
    """Let a voice speak a text in a prosodic style, with its own F0 or another voice's, carried phone by phone.

    donor_style: what the donor speaks in; None: the same style, which is then applied to the F0 that was carried.
    """
    encoded = arpabet_front_end().encode(text)
    kept = [i for i, symbol in enumerate(encoded.symbols) if symbol != BLANK]
    symbols = [encoded.symbols[i] for i in kept]
    unstressed = [encoded.word_of[i] >= 0 and encoded.words[encoded.word_of[i]] in FUNCTION_WORDS for i in kept]
    groups = kokoro_groups(symbols, voice.startswith("b"), unstressed)
    characters = "".join(groups)
    vector = engine.style(voice, len(characters))
    prosodic = STYLES[style]
    prosody = engine.predict(characters, vector, prosodic.speed)
    if f0_donor is None:
        prosody = apply_style(prosody, prosodic)
    else:
        # The donor speaks the target's own characters, so that the two correspond one to one.
        own_style = prosodic if donor_style is None else STYLES[donor_style]
        donor = engine.predict(characters, engine.style(f0_donor, len(characters)), own_style.speed)
        if donor_style is None:
            prosody = apply_style(with_f0_of(prosody, donor), prosodic)
        else:
            prosody = with_f0_of(apply_style(prosody, prosodic), apply_style(donor, own_style))
    audio = engine.render(characters, vector, prosody)

    cut = max(int(prosody.durations[0]) - LEAD_FRAMES, 0)
    durations = prosody.durations.copy()
    durations[0] -= cut
    ends = np.cumsum([len(group) for group in groups])
    spans = np.split(durations[1:-1], ends[:-1])
    seconds = np.array([span.sum() for span in spans])
    # What is heard comes two frames before the durations say, measured against voicing and sibilants of the audio.
    seconds[0] += durations[0] - ADVANCE_FRAMES
    seconds[-1] += durations[-1] + ADVANCE_FRAMES
    f0 = prosody.f0[2 * cut :]
    return Spoken(
        audio=audio[cut * FRAME_SAMPLES :],
        symbols=symbols,
        symbol_seconds=(seconds * FRAME_SAMPLES / SAMPLE_RATE).astype(np.float32),
        f0=np.where(f0 > VOICED_HZ, f0, 0).astype(np.float32),
        energy=prosody.energy[2 * cut :].astype(np.float32),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `prepare_data.py kokoro`."""
    parser.add_argument("--voice-packs", required=True, help="folder with the .bin voices of npm's kokoro-js@1.2.1")
    parser.add_argument(
        "--voices", default=",".join(DEFAULT_VOICES), help="names of voice packs, comma-separated; default: %(default)s"
    )
    parser.add_argument("--styles", default=",".join(STYLES), help="comma-separated; default: all, %(default)s")
    parser.add_argument("--hours", type=float, default=4.0, help="of speech to generate; default: %(default)s")
    parser.add_argument(
        "--foreign-f0", type=float, default=0.3, help="share spoken with another voice's F0; default: %(default)s"
    )
    parser.add_argument("--sentences", type=int, default=3500, help="different sentences; default: %(default)s")


def generate(args: argparse.Namespace) -> None:
    """Write wavs, labels and filelists to `args.out`; continue if some are there already.

    Raises InputError for an option, a package or a voice pack that cannot be used, and when a process was killed.
    """
    voices, styles = tuple(args.voices.split(",")), tuple(args.styles.split(","))
    unknown = [style for style in styles if style not in STYLES]
    if unknown:
        raise InputError(f"--styles: {unknown[0]} is not one of {', '.join(STYLES)}")
    if not 0 <= args.foreign_f0 <= 1:
        raise InputError(f"--foreign-f0 {args.foreign_f0} is not a share between 0 and 1")
    if not args.hours > 0:
        raise InputError(f"--hours {args.hours} is not positive")
    if args.sentences < 1:
        raise InputError(f"--sentences {args.sentences} is not positive")
    if len(set(voices)) < len(voices) or len(set(styles)) < len(styles):
        raise InputError("--voices and --styles: each name may stand once")
    out = Path(args.out)
    sentences = training_sentences(args.sentences, args.seed)
    pilot = plan_corpus(sentences, voices, styles, _PILOT_UTTERANCES, args.foreign_f0, args.seed)
    engine = KokoroEngine(args.voice_packs)
    for voice in voices:
        engine.style(voice, 1)  # so that a missing pack is reported before hours of work
    seconds = [_predicted_seconds(engine, plan) for plan in pilot]
    count = int(np.ceil(args.hours * 3600 / np.mean(seconds)))
    plans = plan_corpus(sentences, voices, styles, count, args.foreign_f0, args.seed)
    missing = [plan for plan in plans if not _wav_path(out, plan).exists()]
    workers = max(args.workers, 1)
    done = map_in_processes(_write_utterance, missing, workers, _start_worker, (args.voice_packs, str(out)))
    try:
        for i, _ in enumerate(tqdm(done, total=len(plans), initial=len(plans) - len(missing), unit="utt")):
            if i % 200 == 0:
                _write_filelists(out, plans)
    finally:
        done.close()  # so that the lists hold what was being written
        _write_filelists(out, plans)


def _predicted_seconds(engine: KokoroEngine, plan: Plan) -> float:
    symbols = [symbol for symbol in arpabet_front_end().encode(plan.text).symbols if symbol != BLANK]
    characters = "".join(kokoro_groups(symbols, plan.voice.startswith("b")))
    prosody: Prosody = engine.predict(characters, engine.style(plan.voice, len(characters)), STYLES[plan.style].speed)
    return float(prosody.durations.sum()) * FRAME_SAMPLES / SAMPLE_RATE


def _wav_path(out: Path, plan: Plan) -> Path:
    return out / "wavs" / plan.voice / f"{plan.index:06d}_{plan.style}.wav"


_worker: tuple[KokoroEngine, Path] | None = None  # of a worker process


def _start_worker(voice_packs: str, out: str) -> None:
    global _worker
    _worker = (KokoroEngine(Path(voice_packs)), Path(out))


def _write_utterance(plan: Plan) -> None:
    engine, out = _worker
    spoken = speak(engine, plan.text, plan.voice, plan.style, plan.f0_donor)
    write_spoken(_wav_path(out, plan), spoken, plan.f0_donor)


def write_spoken(path: Path, spoken: Spoken, f0_donor: str | None = None) -> None:
    """Write an utterance's wav at the rate of `params.Audio`, and its labels (`data.labels`) beside it."""
    # The labels first: a wav that exists has its labels.
    with replacing(labels_path(path)) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            f0=spoken.f0,
            energy=spoken.energy,
            frame_rate=np.float32(CONTOUR_RATE),
            symbols=np.array(spoken.symbols),
            symbol_seconds=spoken.symbol_seconds,
            f0_donor=np.array(f0_donor or ""),
        )
    write_wav(path, soxr.resample(spoken.audio, SAMPLE_RATE, Audio.sample_rate), Audio.sample_rate)


def _write_filelists(out: Path, plans: list[Plan]) -> None:
    made = [plan for plan in plans if _wav_path(out, plan).exists()]
    for name, held_out in (("train", False), ("valid", True)):
        utterances = [
            Utterance(str(_wav_path(out, plan).relative_to(out)), plan.text, plan.voice, plan.style)
            for plan in made
            if plan.held_out == held_out
        ]
        write_filelist(out / f"{name}.txt", utterances)
