"""Everything that is asked of how a text is spoken: where knobs, markup and an editor meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import accumulate

import torch

from common.errors import InputError
from model.prosody import TokenProsody
from synthesis.contour_file import Contour
from synthesis.times import RELEASE_FRAMES, mark_gaps, spoken_with
from text.front_end import EncodedText
from text.prosody import NEUTRAL, Prosody
from text.symbols import BLANK


@dataclass(frozen=True)
class ProsodyEdits:
    """What is asked of one text; the defaults ask nothing.

    overall: of everything. words: of each word besides, or empty. pauses: seconds of the pause after word i; -1: of
    silence before the text. contour: replaces the melody.
    """

    overall: Prosody = NEUTRAL
    words: tuple[Prosody, ...] = ()
    pauses: Mapping[int, float] = field(default_factory=dict)
    contour: Contour | None = None

    @property
    def neutral(self) -> bool:
        """Whether nothing is asked."""
        return replace(self, words=()) == NO_EDITS and set(self.words) <= {NEUTRAL}

    @property
    def plain(self) -> bool:
        """Whether nothing but speed and level of everything is asked, which every model can do."""
        simple = Prosody(rate=self.overall.rate, volume=self.overall.volume)
        return self.overall == simple and replace(self, overall=NEUTRAL).neutral

    def merge(self, inner: ProsodyEdits) -> ProsodyEdits:
        """This and, besides, what a text asks itself, whose pauses and contour win.

        Raises:
            InputError: the two change different numbers of words.
        """
        if self.words and inner.words and len(self.words) != len(inner.words):
            raise InputError(f"{len(self.words)} words are changed in a text of {len(inner.words)}")
        words = tuple(map(Prosody.then, self.words, inner.words)) if self.words and inner.words else ()
        return ProsodyEdits(
            overall=self.overall.then(inner.overall),
            words=words or self.words or inner.words,
            pauses={**self.pauses, **inner.pauses},
            contour=inner.contour or self.contour,
        )

    def cut(self, counts: Sequence[int]) -> list[ProsodyEdits]:
        """The same for consecutive pieces of so many words; the silence before the text is the first's.

        Raises:
            InputError: there are more or fewer words, or a pause after a word that is not there.
        """
        total = sum(counts)
        if self.words and len(self.words) != total:
            raise InputError(f"{len(self.words)} words are changed in a text of {total}")
        strange = [word for word in self.pauses if not -1 <= word < total]
        if strange:
            raise InputError(f"a pause after word {strange[0]} of a text of {total}; words are numbered from 0")
        found = []
        for count, end in zip(counts, accumulate(counts), strict=True):
            first = end - count
            inside = range(first if found else -1, end)
            pauses = {word - first: seconds for word, seconds in self.pauses.items() if word in inside}
            found.append(replace(self, words=self.words[first:end], pauses=pauses))
        return found

    def of_tokens(self, encoded: EncodedText, frame_seconds: float, lead: float = math.inf) -> TokenProsody:
        """For the tokens of an encoded text, (1, S); lead: seconds that it may take before its first sound.

        A word boundary holds the onset of the word after it and is changed with that; a mark between two words has what
        both have: of different values the one that changes less, or none if they change in different directions.

        Raises:
            InputError: there are more or fewer words, or a pause where there is no mark to be silent.
        """
        count = len(encoded.words)
        if self.words and len(self.words) != count:
            raise InputError(f"{len(self.words)} words are changed in a text of {count}")
        words = self.words or (NEUTRAL,) * count
        gaps = mark_gaps(encoded.symbols, encoded.word_of)
        own = [
            words[word] if gap < 0 else _shared(words[gap], words[min(gap + 1, count - 1)])
            for word, gap in zip(spoken_with(encoded.symbols, encoded.word_of), gaps, strict=True)
        ]
        asked = [self.overall.then(one) for one in own]
        columns = {
            one.name: torch.tensor([[getattr(prosody, one.name) for prosody in asked]]) for one in fields(Prosody)
        }
        pause, longest = self._pauses(encoded.symbols, gaps, frame_seconds)
        if encoded.symbols[0] == BLANK:
            longest[0] = lead / frame_seconds
        return TokenProsody(**columns, longest=torch.tensor([longest]), pause=torch.tensor([pause]))

    def _pauses(self, symbols: Sequence[str], gaps: Sequence[int], frame_seconds: float) -> tuple[list, list]:
        """Of each token, the frames that a pause gives it (-1: none), and those that it may have.

        The mark has all of the pause. What the model makes silent beside it, the blanks around the mark, shrinks to the
        word's release: the pause would be longer otherwise.
        """
        pause, longest = [-1] * len(symbols), [math.inf] * len(symbols)
        for word, seconds in self.pauses.items():
            if word < 0:
                continue  # the silence before everything is no token's
            inside = [i for i, gap in enumerate(gaps) if gap == word]
            if not inside and seconds > 0:
                raise InputError(f"no mark after word {word} that could be silent; write one, such as a comma")
            for i in inside:
                pause[i] = round(seconds / frame_seconds) if i == inside[0] else 0
            if inside and inside[0] > 0 and symbols[inside[0] - 1] == BLANK:
                longest[inside[0] - 1] = RELEASE_FRAMES
        return pause, longest


NO_EDITS = ProsodyEdits()


def _shared(a: Prosody, b: Prosody) -> Prosody:
    """What both ask: see `ProsodyEdits.of_tokens`."""
    nothing, one, other = asdict(NEUTRAL), asdict(a), asdict(b)
    return Prosody(**{name: _nearer(nothing[name], one[name], other[name]) for name in nothing})


def _nearer(nothing: float, a: float, b: float) -> float:
    if (a - nothing) * (b - nothing) <= 0:
        return nothing
    return min(a, b, key=lambda value: abs(value - nothing))
