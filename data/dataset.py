"""Utterances as training items: token ids, features, speaker and emotion ids, and a reference of the same voice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from common.errors import BadLines, InputError
from data.audio import audio_seconds
from data.cache import FeatureCache
from data.features import Features
from data.filelist import Utterance
from data.labels import token_spans
from text.front_end import EncodedText, FrontEnd
from text.symbols import BLANK

MOST_REFERENCE_FRAMES = 256  # at most, about 3 seconds


@dataclass
class Item:
    """One utterance; S tokens, T frames, R reference frames."""

    index: int  # position in the dataset
    ids: torch.Tensor  # (S,) int64
    phones: int  # of the text: tokens that are neither blanks nor punctuation
    mel: torch.Tensor  # (n_mels, T)
    f0: torch.Tensor  # (T,) Hz, 0 where unvoiced
    voicing: torch.Tensor  # (T,)
    energy: torch.Tensor  # (T,)
    speaker: int
    emotion: int
    reference_mel: torch.Tensor  # (n_mels, R)
    token_spans: torch.Tensor | None  # (S, 2) int64, data.labels
    speaker_embedding: torch.Tensor | None  # (width,)
    emotion_embedding: torch.Tensor | None  # (width,)


class UtteranceDataset(torch.utils.data.Dataset):
    """Items by index, or by (epoch, index): all that is random in an item depends on (seed, epoch, index) alone.

    The reference is another utterance of the same speaker, cropped to `MOST_REFERENCE_FRAMES`; the utterance itself if
    its speaker has no other.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        cache: FeatureCache,
        front_end: FrontEnd,
        speakers: Sequence[str],
        emotions: Sequence[str],
        seed: int = 0,
        speaker_embeddings: Mapping[str, np.ndarray] | None = None,
        emotion_embeddings: Mapping[str, np.ndarray] | None = None,
        bad_lines: BadLines | None = None,
    ) -> None:
        """speakers, emotions: names; ids are their positions. Embeddings: the wav's stem -> vector.

        bad_lines: takes the utterances that cannot be used, which are left out; None: the first one raises.

        Raises:
            InputError: a name or an embedding that is missing, a text that cannot be encoded, a wav that cannot be
                opened, or one with fewer frames than its text has tokens.
        """
        bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
        tables = [{name: i for i, name in enumerate(names)} for names in (speakers, emotions)]
        rows = []
        for utterance in utterances:
            with bad_lines.skipping(utterance.place):
                ids = (_id(utterance.speaker, tables[0], "speaker"), _id(utterance.emotion, tables[1], "emotion"))
                rows.append((utterance, *ids, *_encode(utterance, front_end, cache)))
        self.utterances = [row[0] for row in rows]
        self.cache = cache
        self.seed = seed
        self._speakers, self._emotions = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))
        self._speaker_embeddings = _vectors(self.utterances, speaker_embeddings, "speaker")
        self._emotion_embeddings = _vectors(self.utterances, emotion_embeddings, "emotion")
        self._same_speaker = {s: np.flatnonzero(self._speakers == s) for s in set(self._speakers.tolist())}
        self._encoded = [row[3] for row in rows]
        self.tokens = np.array([len(encoded.ids) for encoded in self._encoded], dtype=np.int64)
        self.frames = np.array([row[4] for row in rows], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def speaker_ids(self) -> np.ndarray:
        """(utterances,) ids of the speakers."""
        return self._speakers

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        features = self.cache.get(self.utterances[index].wav)
        spans = self._token_spans(index, features)
        return Item(
            index=index,
            ids=torch.tensor(self._encoded[index].ids, dtype=torch.long),
            phones=count_phones(self._encoded[index].symbols),
            mel=torch.from_numpy(features.mel),
            f0=torch.from_numpy(features.f0),
            voicing=torch.from_numpy(features.voicing),
            energy=torch.from_numpy(features.energy),
            speaker=int(self._speakers[index]),
            emotion=int(self._emotions[index]),
            reference_mel=torch.from_numpy(self._reference_mel(epoch, index)),
            token_spans=None if spans is None else torch.from_numpy(spans),
            speaker_embedding=None if self._speaker_embeddings is None else self._speaker_embeddings[index],
            emotion_embedding=None if self._emotion_embeddings is None else self._emotion_embeddings[index],
        )

    def _reference_mel(self, epoch: int, index: int) -> np.ndarray:
        generator = np.random.default_rng((self.seed, epoch, index))
        same = self._same_speaker[int(self._speakers[index])]
        others = same[same != index]
        chosen = int(generator.choice(others)) if len(others) else index
        mel = self.cache.get(self.utterances[chosen].wav).mel
        start = int(generator.integers(max(mel.shape[1] - MOST_REFERENCE_FRAMES, 0) + 1))
        return np.ascontiguousarray(mel[:, start : start + MOST_REFERENCE_FRAMES])

    def _token_spans(self, index: int, features: Features) -> np.ndarray | None:
        if features.symbols is None:
            return None
        tokens = self._encoded[index].symbols
        if tuple(token for token in tokens if token != BLANK) != features.symbols:
            return None  # the labels are of another text, or of another front end
        return token_spans([token == BLANK for token in tokens], features.boundaries, features.frames)


def count_phones(symbols: Sequence[str]) -> int:
    """How many of a text's symbols are phones (or letters): neither blanks nor punctuation."""
    return sum(symbol != BLANK and symbol.lstrip("@")[:1].isalpha() for symbol in symbols)  # @HH: the official phones


def _id(name: str, table: Mapping[str, int], kind: str) -> int:
    if name not in table:
        raise InputError(f"the {kind} {name!r} is not one of: {', '.join(table)}; change the filelist")
    return table[name]


def _vectors(utterances: Sequence[Utterance], table: Mapping[str, np.ndarray] | None, kind: str) -> torch.Tensor | None:
    if table is None:
        return None
    missing = [u for u in utterances if u.stem not in table]
    if missing:
        raise InputError(f"{missing[0].wav} has no {kind} embedding; make the table again with prepare_data.py")
    return torch.from_numpy(np.stack([table[u.stem] for u in utterances]).astype(np.float32))  # (N, width)


def _encode(utterance: Utterance, front_end: FrontEnd, cache: FeatureCache) -> tuple[EncodedText, int]:
    """The text, and the recording's mel frames as its header tells, which resampling may change by one."""
    audio = cache.audio_params
    frames = int(audio_seconds(utterance.wav) * audio.sample_rate + 0.5) // audio.hop_length
    try:
        encoded = front_end.encode(utterance.text)
    except InputError as error:
        raise InputError(f"{utterance.wav}: {error}") from error
    if len(encoded.ids) > frames:
        raise InputError(
            f"{utterance.wav} has {frames} frames for {len(encoded.ids)} tokens of text; take it off the list"
        )
    return encoded, frames
