"""Everything that is asked of how a text is spoken: where knobs, markup and an editor meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

import torch

from common.errors import InputError
from model.prosody import TokenProsody
from synthesis.contour_file import Contour
from text.front_end import EncodedText
from text.prosody import NEUTRAL, Prosody


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

        Between two words there is what both have: of different values the one that changes less, or none if they
        change in different directions. After the last word there is what it has.

        Raises:
            InputError: there are more or fewer words, or a pause where there is nothing to be silent.
        """
        count = len(encoded.words)
        if self.words and len(self.words) != count:
            raise InputError(f"{len(self.words)} words are changed in a text of {count}")
        before = _word_before(encoded)
        words = self.words or (NEUTRAL,) * count
        own = [
            words[word] if word >= 0 else _shared(words[last], words[min(last + 1, count - 1)])
            for word, last in zip(encoded.word_of, before, strict=True)
        ]
        asked = [self.overall.then(one) for one in own]
        columns = {
            one.name: torch.tensor([[getattr(prosody, one.name) for prosody in asked]]) for one in fields(Prosody)
        }
        return TokenProsody(**columns, pause=torch.tensor([self._pause_frames(encoded, before, frame_seconds)]))

    def _pause_frames(self, encoded: EncodedText, before: Sequence[int], frame_seconds: float) -> list[int]:
        """Frames of each token that is a pause: the first one after the word has all of them. -1 elsewhere."""
        frames = [-1] * len(before)
        for word, seconds in self.pauses.items():
            gap = [i for i, last in enumerate(before) if last == word and encoded.word_of[i] < 0]
            if word >= 0 and seconds > 0 and not gap:
                raise InputError(f"nothing can be silent after word {word} of {len(encoded.words)}; end it with a mark")
            for i in gap:
                frames[i] = round(seconds / frame_seconds) if i == gap[0] else 0
        return frames


def _word_before(encoded: EncodedText) -> list[int]:
    """Of each token, its word or the one before it."""
    last, found = 0, []
    for own in encoded.word_of:
        last = own if own >= 0 else last
        found.append(last)
    return found


def _shared(a: Prosody, b: Prosody) -> Prosody:
    """What both ask: see `ProsodyEdits.of_tokens`."""
    nothing, one, other = asdict(NEUTRAL), asdict(a), asdict(b)
    return Prosody(**{name: _nearer(nothing[name], one[name], other[name]) for name in nothing})


def _nearer(nothing: float, a: float, b: float) -> float:
    if (a - nothing) * (b - nothing) <= 0:
        return nothing
    return min(a, b, key=lambda value: abs(value - nothing))
