"""Make resources/held_out_reference.npz: the held-out sentences as the corpus's voices say them.

    python benchmarks/held_out_reference.py --voice-packs corpora/voice-packs --corpus corpora/default/train.txt \
        --recordings RECORDED_FOLDER --speaker kathleen

Every generated voice says its share of the sentences; the recorded speaker's share are sentences that were recorded
(files named after the sentences). Needs the packages of the corpus and of the evaluation.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.arguments import Parser, folder
from common.errors import InputError, reports_input_errors
from data.audio import AUDIO_SUFFIXES
from data.cache import FeatureCache
from data.features import Features
from data.filelist import Utterance, read_filelist
from data.generator.corpus import speak, write_spoken
from data.generator.engine import KokoroEngine
from data.generator.manners import Manner
from data.generator.sentences import held_out_sentences
from data.generator.voices import NAMED_VOICES, pack_voice
from evaluation.analyser import Analyser
from evaluation.speaker import centroid
from evaluation.spectrum import fine_structure
from evaluation.speech import Phones, Speech
from evaluation.words import word_errors
from held_out.measuring import corpus_sides, style_attributes
from held_out.reference import (
    MEL_FRAMES,
    NEUTRAL,
    CorpusVoice,
    HeldOutReference,
    HeldOutSentence,
    write_reference,
)
from params import Audio

VOICE_RECORDINGS = 30  # of each voice, for its centroid and its fine structure


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice-packs", type=Path, required=True, help="as of prepare_data.py kokoro")
    parser.add_argument("--corpus", type=Path, required=True, help="the training filelist")
    parser.add_argument("--recordings", type=Path, required=True, help="folder of the recorded voice's files")
    parser.add_argument("--speaker", default="kathleen", help="the recorded voice; default: %(default)s")
    parser.add_argument("--work", type=folder, default=Path("out/held_out_reference"), help="for the wavs it makes")
    parser.add_argument("--cache", type=folder, default=Path("cache"), help="the feature cache of the training")
    parser.add_argument("-o", "--out", type=Path, default=Path("resources/held_out_reference.npz"))
    args = parser.parse_args(argv)

    audio = Audio()
    cache = FeatureCache(args.cache, audio)
    analyser = Analyser(args.cache / "evaluation", audio, "base", 1)
    kept = {*NAMED_VOICES, args.speaker}  # and none of the virtual voices, which have no pack
    corpus = [utterance for utterance in read_filelist(args.corpus) if utterance.speaker in kept]
    analyser.need("transcript", "embedding")
    recorded = _recorded(args.recordings)
    voices = {name: _voice(name, corpus, analyser) for name in tqdm(sorted({u.speaker for u in corpus}), "voices")}
    measured = [
        (u.speaker, u.emotion, style_attributes(u.text, _speech(cache.get(u.wav)), audio))
        for u in tqdm(corpus, "styles", unit="utt")
        if voices[u.speaker].styled
    ]
    engine = KokoroEngine(args.voice_packs)
    utterances = _utterances(args, recorded, [v.name for v in voices.values() if v.styled], engine)
    sentences = []
    for wav, text, speaker in tqdm(utterances, "transcribe", unit="utt"):
        sentences.append(_sentence(cache.get(wav), text, speaker, analyser.transcript(analyser.sound(wav))))
    write_reference(args.out, HeldOutReference(sentences, voices, corpus_sides(measured), "whisper base"))
    print(f"{args.out}: {len(sentences)} sentences, {len(voices)} voices")
    return 0


def _voice(name: str, corpus: list[Utterance], analyser: Analyser) -> CorpusVoice:
    own = [u for u in corpus if u.speaker == name]
    neutral = [u for u in own if u.emotion == NEUTRAL]
    drawn = [neutral[i] for i in np.random.default_rng(0).permutation(len(neutral))[:VOICE_RECORDINGS]]
    sounds = [analyser.sound(u.wav) for u in drawn]
    details = [fine_structure(analyser.speech(sound)) for sound in sounds]
    return CorpusVoice(
        name=name,
        centroid=centroid([analyser.embedding(sound) for sound in sounds]),
        fine_structure=tuple(np.nanmean(details, axis=0).tolist()),
        styled=len({u.emotion for u in own}) > 1,
    )


def _recorded(folder: Path) -> dict[str, Path]:
    """Recordings by the names of held-out sentences."""
    found = {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix in AUDIO_SUFFIXES}
    if not found.keys() & held_out_sentences().keys():
        raise InputError(f"{folder} has no recording of a held-out sentence; give the recorded voice's folder")
    return found


def _utterances(
    args: argparse.Namespace, recorded: dict[str, Path], voices: list[str], engine: KokoroEngine
) -> list[tuple[Path, str, str]]:
    """(wav, text, speaker) of every held-out sentence; what is not recorded is generated."""
    texts = held_out_sentences()
    names = [name for name in texts if name in recorded]
    share = len(texts) // (len(voices) + 1)  # as large as each other voice's
    own = {names[i * len(names) // share] for i in range(share)}
    turns = itertools.cycle(voices)
    utterances = []
    for name, text in tqdm(texts.items(), "speak", unit="utt"):
        if name in own:
            utterances.append((recorded[name], text, args.speaker))
            continue
        voice = next(turns)
        wav = args.work / f"{name}_{voice}.wav"
        if not wav.exists():
            write_spoken(wav, speak(engine, text, pack_voice(voice), Manner()))
        utterances.append((wav, text, voice))
    return utterances


def _sentence(features: Features, text: str, speaker: str, transcript: str) -> HeldOutSentence:
    size = min(MEL_FRAMES, features.frames)
    voiced = np.convolve(features.voicing, np.ones(size), "valid")
    start = int(voiced.argmax())
    mel = np.pad(features.mel[:, start : start + size], ((0, 0), (0, MEL_FRAMES - size)), mode="wrap")
    errors = word_errors(transcript, text)
    known = features.symbols is not None
    return HeldOutSentence(
        text=text,
        speaker=speaker,
        f0=features.f0,
        energy=features.energy,
        phones=Phones(features.symbols, features.boundaries.astype(np.float64)) if known else None,
        mel=mel,
        errors=errors.errors,
        words=errors.length,
    )


def _speech(features: Features) -> Speech:
    return Speech(features.mel, features.f0)


if __name__ == "__main__":
    raise SystemExit(main())
