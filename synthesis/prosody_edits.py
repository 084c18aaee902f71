"""Everything that is asked of how a text is spoken: where knobs, markup and an editor meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

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
        return self == ProsodyEdits() or self == ProsodyEdits(words=(NEUTRAL,) * len(self.words))

    def inside(self, overall: Prosody, contour: Contour | None = None) -> ProsodyEdits:
        """The same with what is asked of everything around; a contour of its own stays."""
        own = contour if self.contour is None else self.contour
        return replace(self, overall=overall.then(self.overall), contour=own)

    def of_tokens(self, encoded: EncodedText, frame_seconds: float) -> TokenProsody:
        """For the tokens of an encoded text, (1, S).

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
        return TokenProsody(**columns, longest=torch.tensor([longest]), pause=torch.tensor([pause]))

    def _pauses(self, symbols: Sequence[str], gaps: Sequence[int], frame_seconds: float) -> tuple[list, list]:
        """Of each token, the frames that a pause gives it (-1: none), and those that it may have.

        The mark has all of the pause. What the model makes silent beside it, the blanks around the mark, shrinks to the
        word's release: the pause would be longer otherwise.
        """
        pause, longest = [-1] * len(symbols), [math.inf] * len(symbols)
        for word, seconds in self.pauses.items():
            inside = [i for i, gap in enumerate(gaps) if gap == word]
            if not inside and word >= 0 and seconds > 0:
                raise InputError(f"no mark after word {word} that could be silent; write one, such as a comma")
            for i in inside:
                pause[i] = round(seconds / frame_seconds) if i == inside[0] else 0
            if inside and inside[0] > 0 and symbols[inside[0] - 1] == BLANK:
                longest[inside[0] - 1] = RELEASE_FRAMES
        return pause, longest


def _shared(a: Prosody, b: Prosody) -> Prosody:
    """What both ask: see `ProsodyEdits.of_tokens`."""
    nothing, one, other = asdict(NEUTRAL), asdict(a), asdict(b)
    return Prosody(**{name: _nearer(nothing[name], one[name], other[name]) for name in nothing})


def _nearer(nothing: float, a: float, b: float) -> float:
    if (a - nothing) * (b - nothing) <= 0:
        return nothing
    return min(a, b, key=lambda value: abs(value - nothing))
