"""Long texts are spoken in pieces, with a pause between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from model.units import SILENCE
from text.front_end import EncodedText
from text.sentences import split_sentences
from text.symbols import PAUSE

MAX_CHARS = 250  # of a piece: about as long as the longest training utterances
PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class SpokenPiece:
    """mel, mu (n_mels, T); audio (T * hop,); tokens, durations in frames and word_of, S each; times in seconds."""

    mel: np.ndarray
    mu: np.ndarray
    audio: np.ndarray
    tokens: tuple[str, ...]
    durations: np.ndarray
    words: tuple[str, ...]
    word_of: tuple[int, ...]
    nfe: int
    mel_seconds: float
    vocoder_seconds: float


def split_text(text: str, by_sentence: bool = False) -> list[str]:
    """The text itself if it is short enough, else its sentences, and clauses of overlong sentences.

    by_sentence: split a short text too.
    """
    return [text] if len(text) <= MAX_CHARS and not by_sentence else split_sentences(text, MAX_CHARS)


def join_words(parts: Iterable[SpokenPiece | EncodedText]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The words of all parts, and each token's word among them, -1 between words."""
    words: list[str] = []
    word_of: list[int] = []
    for part in parts:
        word_of += [index if index < 0 else index + len(words) for index in part.word_of]
        words += part.words
    return tuple(words), tuple(word_of)


def join_pieces(pieces: Sequence[SpokenPiece], silences: Sequence[int], hop_length: int) -> SpokenPiece:
    """One piece out of several; silences: frames of silence before each of them."""
    n_mels = pieces[0].mel.shape[0]
    parts = []
    for piece, frames in zip(pieces, silences, strict=True):
        parts += [_pause(n_mels, frames, hop_length), piece] if frames else [piece]
    words, word_of = join_words(parts)
    return SpokenPiece(
        mel=np.concatenate([part.mel for part in parts], 1),
        mu=np.concatenate([part.mu for part in parts], 1),
        audio=np.concatenate([part.audio for part in parts]),
        tokens=tuple(token for part in parts for token in part.tokens),
        durations=np.concatenate([part.durations for part in parts]),
        words=words,
        word_of=word_of,
        nfe=sum(part.nfe for part in parts),
        mel_seconds=sum(part.mel_seconds for part in parts),
        vocoder_seconds=sum(part.vocoder_seconds for part in parts),
    )


def _pause(n_mels: int, frames: int, hop_length: int) -> SpokenPiece:
    silent = np.full((n_mels, frames), SILENCE, dtype=np.float32)
    audio = np.zeros(frames * hop_length, dtype=np.float32)
    return SpokenPiece(silent, silent, audio, (PAUSE,), np.array([frames]), (), (-1,), 0, 0.0, 0.0)
