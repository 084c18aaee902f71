"""The generated corpus: Kokoro-82M speaks in virtual voices and in the named ones, in many manners, with exact labels.

Every utterance is determined by (seed, index), so an interrupted run continues where it stopped, several processes can
share the work, and any first part of the corpus is balanced over voices and manners.
"""

from __future__ import annotations

import argparse
import functools
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
import torch
from tqdm import tqdm

from common.arguments import real
from common.errors import InputError
from common.files import read_bounded, replacing
from common.processes import map_in_processes
from data.audio import write_wav
from data.filelist import Utterance, write_filelist
from data.generator.engine import CONTOUR_RATE, FRAME_SAMPLES, SAMPLE_RATE, VOICED_HZ, KokoroEngine
from data.generator.manners import STYLES, VARIED, Manner, apply_manner, draw_manner, stretched, with_f0_of
from data.generator.phones import kokoro_groups
from data.generator.sentences import corpus_sentences
from data.generator.voices import NAMED_VOICES, PACKS, Voice, draw_far_voice, draw_voice, pack_voice
from data.labels import Labels, write_labels
from params import Audio
from text.front_end import arpabet_front_end
from text.symbols import BLANK, SPACE

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
VOICES = 560  # virtual ones, before any has more than its twelve utterances
VOICE_UTTERANCES, MANNERS = 12, 4  # of a virtual voice; its manners take turns
_NEAR_OF_NINE = 3  # virtual voices; the others are far from all of these
_LARGEST_PARTS = 3  # of a voice's packs, which give it no foreign prosody
FOREIGN = 0.3  # share spoken with the prosody of another pack
# Of every seven utterances two are by named voices: nine hours in fourteen are by virtual ones.
_TURN, _NAMED_IN_TURN = 7, 2
_HELD_OUT_EVERY = 50  # sentences
_PEAK = 0.98  # the loudest manners are turned down to it: nothing is clipped
_MEAN_SECONDS = 4.6  # of an utterance; the hours asked for are counted in these


@dataclass(frozen=True)
class Plan:
    """What one utterance of the corpus is. style: the manner's name; donor: the pack whose prosody it has.

    whole: the donor gives its whole prosody, not its F0 alone.
    """

    index: int
    text: str
    voice: Voice
    style: str
    manner: Manner
    donor: str | None
    whole: bool
    held_out: bool  # belongs to the validation filelist


def plan_corpus(sentences: list[str], count: int, seed: int) -> list[Plan]:
    """`count` utterances; a shorter corpus is the beginning of a longer one.

    Each sentence is said once before any is said twice. Named voices meet each of the styles equally often; a virtual
    voice speaks twelve utterances in four manners: neutral, a named style, and two of its own. Every virtual voice has
    been heard in all of its manners before any is heard again: four hours of a corpus have as many voices as twelve.
    """
    return [_plan(index, sentences, seed) for index in range(count)]


def _plan(index: int, sentences: list[str], seed: int) -> Plan:
    rng = np.random.default_rng((seed, 0, index))
    turn, place = divmod(index, _TURN)
    style_names = list(STYLES)
    if place < _NAMED_IN_TURN:
        number = turn * _NAMED_IN_TURN + place
        pairs = [(voice, style) for voice in NAMED_VOICES for style in style_names]
        block, within = divmod(number, len(pairs))
        name, style = pairs[np.random.default_rng((seed, 1, block)).permutation(len(pairs))[within]]
        voice, manner, whole = pack_voice(name), STYLES[style], False
        donors = [other for other in NAMED_VOICES if other != name]
    else:
        number = turn * (_TURN - _NAMED_IN_TURN) + place - _NAMED_IN_TURN
        who, utterance = _turn_of_voice(number)
        draw = draw_voice if who % 9 < _NEAR_OF_NINE else draw_far_voice
        voice = draw(f"v{seed}_{who:04d}", seed, 2, who)
        style = style_names[1 + who % (len(style_names) - 1)] if utterance % MANNERS == 1 else "neutral"
        manner, whole = STYLES[style], True
        if utterance % MANNERS > 1:
            style, manner = VARIED, draw_manner(seed, 3, who, utterance % MANNERS)
        # All packs of its sex have a part in a far voice, but its largest parts are whose prosody it has.
        donors = [other for other in PACKS if other not in voice.packs[:_LARGEST_PARTS]]
    foreign, donor = rng.random() < FOREIGN, donors[rng.integers(len(donors))]
    # Sentences in an order of their own in each pass.
    passes, within = divmod(index, len(sentences))
    sentence = int(_order(seed, passes, len(sentences))[within])
    return Plan(
        index, sentences[sentence], voice, style, manner, donor if foreign else None, whole,
        held_out=sentence % _HELD_OUT_EVERY == 0,
    )  # fmt: skip


def _turn_of_voice(number: int) -> tuple[int, int]:
    """Which virtual voice speaks the utterance of this number among theirs, and which of its own that is."""
    crowd, number = divmod(number, VOICES * VOICE_UTTERANCES)
    turn, number = divmod(number, VOICES * MANNERS)
    who, manner = divmod(number, MANNERS)
    return crowd * VOICES + who, turn * MANNERS + manner


@functools.lru_cache(maxsize=4)
def _order(seed: int, passes: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, 4, passes)).permutation(count)


@dataclass
class Spoken:
    """One utterance with its exact labels."""

    audio: np.ndarray  # (samples,)
    sample_rate: float  # Hz, at which the audio is to be played
    symbols: list[str]  # ARPAbet, spaces and punctuation, without blanks
    symbol_seconds: np.ndarray  # (len(symbols),); silence at the ends belongs to the first and the last
    f0: np.ndarray  # Hz at contour_rate values a second, 0 where unvoiced
    contour_rate: float


def speak(
    engine: KokoroEngine,
    text: str,
    voice: Voice,
    manner: Manner,
    donor: Voice | None = None,
    donor_manner: Manner | None = None,
    whole: bool = False,
) -> Spoken:
    """Let a voice speak a text in a manner, with its own F0 or another voice's, carried phone by phone.

    donor_manner: what the donor speaks in; None: the same manner, which is then applied to the F0 that was carried.
    whole: the donor's whole prosody (durations, F0, energy) is taken, not its F0 alone.
    """
    encoded = arpabet_front_end().encode(text)
    kept = [i for i, symbol in enumerate(encoded.symbols) if symbol != BLANK]
    symbols = [encoded.symbols[i] for i in kept]
    unstressed = [encoded.word_of[i] >= 0 and encoded.words[encoded.word_of[i]] in FUNCTION_WORDS for i in kept]
    groups = kokoro_groups(symbols, voice.british, unstressed)
    characters = "".join(groups)
    vector = voice.style(engine, len(characters))
    if whole and donor is not None:
        # The second half of a style vector is prosody.
        half = vector.shape[1] // 2
        vector = np.concatenate([vector[:, :half], donor.style(engine, len(characters))[:, half:]], axis=1)
        donor = None
    prosody = engine.predict(characters, vector, manner.speed)
    if donor is None:
        prosody = apply_manner(prosody, manner)
    else:
        # The donor speaks the target's own characters, so that the two correspond one to one.
        own_manner = manner if donor_manner is None else donor_manner
        donated = engine.predict(characters, donor.style(engine, len(characters)), own_manner.speed)
        if donor_manner is None:
            prosody = apply_manner(with_f0_of(prosody, donated), manner)
        else:
            prosody = with_f0_of(apply_manner(prosody, manner), apply_manner(donated, own_manner))
    if voice.f0_shift:
        prosody = apply_manner(prosody, Manner(f0_scale=2 ** (voice.f0_shift / 12)))
    # Played r times as fast, all that is longer and lower now comes out as it was asked for.
    r = voice.formants
    if r != 1:
        prosody = stretched(prosody, r)
        prosody = replace(prosody, f0=np.where(prosody.voiced, prosody.f0 / r, prosody.f0))
    audio = engine.render(characters, vector, prosody)

    cut = max(int(prosody.durations[0]) - LEAD_FRAMES, 0)
    durations = prosody.durations.copy()
    durations[0] -= cut
    ends = np.cumsum([len(group) for group in groups])
    spans = np.split(durations[1:-1], ends[:-1])
    frames = np.array([span.sum() for span in spans])
    # What is heard comes two frames before the durations say, measured against voicing and sibilants of the audio.
    frames[0] += durations[0] - ADVANCE_FRAMES
    frames[-1] += durations[-1] + ADVANCE_FRAMES
    audio = audio[cut * FRAME_SAMPLES :]
    frames = end_with_the_sound(frames, symbols, audio)
    f0 = prosody.f0[2 * cut :]
    return Spoken(
        audio=audio,
        sample_rate=SAMPLE_RATE * r,
        symbols=symbols,
        symbol_seconds=(frames * FRAME_SAMPLES / (SAMPLE_RATE * r)).astype(np.float32),
        f0=np.where(f0 > VOICED_HZ, r * f0, 0).astype(np.float32),
        contour_rate=CONTOUR_RATE * r,
    )


SILENCE_DB = 38.0  # below the loudest frames: what is quieter at the end is no longer the last word
LEAST_HEARD = 0.3  # of the last word; where less is heard, the level tells nothing about its end


def end_with_the_sound(frames: np.ndarray, symbols: list[str], audio: np.ndarray) -> np.ndarray:
    """Durations (S,) in frames whose last word ends where the audio falls silent.

    Kokoro's durations let the last word reach into the silence behind it. Its symbols shrink in proportion; what they
    give up belongs to the symbols after them (punctuation), or to the last one where there are none.
    """
    phones = [i for i, symbol in enumerate(symbols) if symbol[0].isalpha()]
    if not phones:
        return frames
    last = phones[-1]
    first = max((i + 1 for i in range(last) if symbols[i] == SPACE), default=0)
    window = FRAME_SAMPLES // 2
    energy = np.square(audio[: len(audio) // window * window].reshape(-1, window)).mean(1)
    level = 10 * np.log10(energy + 1e-12)
    loudest = np.percentile(level, 95)
    heard_until = (int(np.flatnonzero(level > loudest - SILENCE_DB).max()) + 1) * window / FRAME_SAMPLES
    starts = np.concatenate([[0.0], np.cumsum(frames)])
    start, end = starts[first], starts[last + 1]
    surplus = end - heard_until
    shrunk = (heard_until - start) / (end - start)
    if last == len(symbols) - 1 or surplus <= 0 or shrunk < LEAST_HEARD:
        return frames
    mended = frames.astype(np.float64).copy()
    mended[first : last + 1] *= shrunk
    mended[last + 1] += surplus
    return mended


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `prepare_data.py kokoro`."""
    parser.add_argument("--voice-packs", required=True, help="folder with the .bin voices of npm's kokoro-js@1.2.1")
    parser.add_argument(
        "--hours", type=real(0.001, 10_000), default=12.0, help="of speech to generate; default: %(default)s"
    )


def generate(args: argparse.Namespace) -> None:
    """Write wavs, labels and filelists to `args.out`; continue if some are there already.

    Raises InputError for a seed, a package or a voice pack that cannot be used, and when a process was killed.
    """
    out = Path(args.out)
    count = int(np.ceil(args.hours * 3600 / _MEAN_SECONDS))
    _check_seed(out, args.seed)
    engine = KokoroEngine(args.voice_packs)
    for pack in PACKS:
        engine.style(pack, 1)  # so that a missing pack is reported before hours of work
    plans = plan_corpus(corpus_sentences(args.seed), count, args.seed)
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


def _check_seed(out: Path, seed: int) -> None:
    """A named voice's utterances of two seeds have the same file names, and other texts."""
    path = out / "seed.txt"
    if path.exists():
        before = read_bounded(path, 100).decode("ascii", "replace").strip()
    else:
        before = "0" if (out / "wavs").is_dir() else str(seed)
    if before != str(seed):
        raise InputError(f"{out} holds a corpus of --seed {before}; give that seed, or another --out")
    with replacing(path) as temporary:
        temporary.write_text(f"{seed}\n", encoding="ascii")


def _wav_path(out: Path, plan: Plan) -> Path:
    return out / "wavs" / plan.voice.name / f"{plan.index:06d}_{plan.style}.wav"


_worker: tuple[KokoroEngine, Path] | None = None  # of a worker process


def _start_worker(voice_packs: str, out: str) -> None:
    global _worker
    torch.set_num_threads(1)  # of each process
    _worker = (KokoroEngine(Path(voice_packs)), Path(out))


def _write_utterance(plan: Plan) -> None:
    engine, out = _worker
    donor = None if plan.donor is None else pack_voice(plan.donor)
    spoken = speak(engine, plan.text, plan.voice, plan.manner, donor, whole=plan.whole)
    write_spoken(_wav_path(out, plan), spoken)


def write_spoken(path: Path, spoken: Spoken) -> None:
    """Write an utterance's wav at the rate of `params.Audio`, and its labels (`data.labels`) beside it."""
    labels = Labels(spoken.f0, spoken.contour_rate, tuple(spoken.symbols), spoken.symbol_seconds)
    write_labels(path, labels)
    audio = soxr.resample(spoken.audio, spoken.sample_rate, Audio.sample_rate)
    write_wav(path, audio / max(1.0, float(np.abs(audio).max()) / _PEAK), Audio.sample_rate)


def _write_filelists(out: Path, plans: list[Plan]) -> None:
    made = [plan for plan in plans if _wav_path(out, plan).exists()]
    for name, held_out in (("train", False), ("valid", True)):
        utterances = [
            Utterance(str(_wav_path(out, plan).relative_to(out)), plan.text, plan.voice.name, plan.style)
            for plan in made
            if plan.held_out == held_out
        ]
        write_filelist(out / f"{name}.txt", utterances)
