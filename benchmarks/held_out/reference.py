"""What the held-out sentences should sound like: one utterance of each, and the voices and styles of the corpus.

One small file, so that the default model can be measured without the corpus that it was trained on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.errors import InputError
from common.files import read_bounded, replacing
from data.array_file import MOST_BYTES, read_arrays
from evaluation.speech import Phones

NEUTRAL = "neutral"
ATTRIBUTES = ("f0_median", "f0_range", "rate", "energy")
MEL_FRAMES = 128  # kept of each utterance, for references of timbre


@dataclass(frozen=True, eq=False)
class HeldOutSentence:
    """A sentence as one voice of the corpus says it (neutral); T frames."""

    text: str
    speaker: str
    f0: np.ndarray  # (T,) Hz, 0 where unvoiced
    energy: np.ndarray  # (T,) data.mel.frame_energy
    phones: Phones | None  # None: not known
    mel: np.ndarray  # (n_mels, MEL_FRAMES), natural log; its stretch with the most voiced frames
    errors: int  # words that the recogniser hears wrongly, of `words`
    words: int


@dataclass(frozen=True, eq=False)
class CorpusVoice:
    name: str
    centroid: np.ndarray  # (D,) of length 1, mean direction of speaker embeddings
    fine_structure: tuple[float, float]  # evaluation.spectrum, mean over recordings
    styled: bool  # whether the corpus has the styles in this voice


@dataclass(frozen=True, eq=False)
class HeldOutReference:
    """sides: of each style and each of ATTRIBUTES, 1 where the corpus has it above neutral, -1 below, 0 neither."""

    sentences: list[HeldOutSentence]
    voices: dict[str, CorpusVoice]
    sides: dict[str, dict[str, int]]
    recogniser: str

    def take(self, count: int) -> HeldOutReference:
        """With `count` sentences, evenly spread over the list. Raises InputError if there are not so many."""
        total = len(self.sentences)
        if not 1 <= count <= total:
            raise InputError(f"there are {total} held-out sentences; ask for 1 to {total}, not {count}")
        kept = [self.sentences[i * total // count] for i in range(count)]
        return HeldOutReference(kept, self.voices, self.sides, self.recogniser)


def write_reference(path: str | os.PathLike, reference: HeldOutReference) -> None:
    """Write the `.npz`. Half precision where it is enough."""
    sentences, voices = reference.sentences, list(reference.voices.values())
    styles = list(reference.sides)
    phones = [sentence.phones or Phones((), np.zeros(1)) for sentence in sentences]
    arrays = {
        "text": np.array([s.text for s in sentences]),
        "speaker": np.array([s.speaker for s in sentences]),
        "frames": np.array([len(s.f0) for s in sentences]),
        "f0": np.concatenate([s.f0 for s in sentences]).astype(np.float16),
        "energy": np.concatenate([s.energy for s in sentences]).astype(np.float16),
        "symbol_counts": np.array([len(p.symbols) for p in phones]),
        "symbols": np.array([symbol for p in phones for symbol in p.symbols]),
        "boundaries": np.concatenate([p.boundaries for p in phones]).astype(np.float32),
        "mel": np.stack([s.mel for s in sentences]).astype(np.float16),
        "errors": np.array([s.errors for s in sentences]),
        "words": np.array([s.words for s in sentences]),
        "voice": np.array([v.name for v in voices]),
        "centroid": np.stack([v.centroid for v in voices]).astype(np.float32),
        "fine_structure": np.array([v.fine_structure for v in voices], dtype=np.float32),
        "styled": np.array([v.styled for v in voices]),
        "style": np.array(styles),
        "sides": np.array([[reference.sides[style][name] for name in ATTRIBUTES] for style in styles], dtype=np.int8),
        "recogniser": np.array(reference.recogniser),
    }
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_reference(path: str | os.PathLike) -> HeldOutReference:
    """Read what `write_reference` wrote.

    Raises:
        InputError: there is no such file, or it is another kind of file.
    """
    try:
        return _from_arrays(read_arrays(read_bounded(path, MOST_BYTES)))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{path} is no reference of held-out sentences ({error}); make it again") from error


def _from_arrays(arrays: dict[str, np.ndarray]) -> HeldOutReference:
    frame_ends = np.cumsum(arrays["frames"])[:-1]
    counts = arrays["symbol_counts"]
    rows = zip(
        arrays["text"].tolist(),
        arrays["speaker"].tolist(),
        np.split(arrays["f0"].astype(np.float32), frame_ends),
        np.split(arrays["energy"].astype(np.float32), frame_ends),
        _phones(arrays["symbols"].tolist(), arrays["boundaries"].astype(np.float64), counts),
        arrays["mel"].astype(np.float32),
        arrays["errors"].tolist(),
        arrays["words"].tolist(),
        strict=True,
    )
    voices = zip(
        arrays["voice"].tolist(),
        arrays["centroid"],
        map(tuple, arrays["fine_structure"].tolist()),
        arrays["styled"].tolist(),
        strict=True,
    )
    sides = zip(arrays["style"].tolist(), arrays["sides"].tolist(), strict=True)
    return HeldOutReference(
        sentences=[HeldOutSentence(*row) for row in rows],
        voices={voice[0]: CorpusVoice(*voice) for voice in voices},
        sides={style: dict(zip(ATTRIBUTES, row, strict=True)) for style, row in sides},
        recogniser=str(arrays["recogniser"]),
    )


def _phones(symbols: list[str], boundaries: np.ndarray, counts: Sequence[int]) -> list[Phones | None]:
    symbol_ends, boundary_ends = np.cumsum(counts), np.cumsum(np.asarray(counts) + 1)
    found = []
    for count, symbol_end, boundary_end in zip(counts, symbol_ends, boundary_ends, strict=True):
        own = tuple(symbols[symbol_end - count : symbol_end])
        found.append(Phones(own, boundaries[boundary_end - count - 1 : boundary_end]) if count else None)
    return found
