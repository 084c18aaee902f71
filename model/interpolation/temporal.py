"""a before a crossing, b after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.interpolation.kind import Kind, option

if TYPE_CHECKING:
    from model.interpolation.plan import Plan, Reading
    from model.text_to_mel import TextToMel


@dataclass(frozen=True)
class Temporal(Kind):
    """a before the crossing and b after it, in everything about a frame."""

    cross: float = option(0.5, "where a ends, as a share of the text's tokens", low=0, high=1)
    cross_word: int | None = option(None, "the first word of b, from 0, instead of --cross", low=0)
    cross_width: float = option(0.1, "of the transition, as a share of the tokens; 0: a step", low=0, high=1)

    def check_words(self, count: int) -> None:
        if self.cross_word is not None and self.cross_word >= count:
            raise ValueError(f"cross_word {self.cross_word}: the text has {count} words, numbered from 0")

    def plan(self, model: TextToMel, a: Reading, b: Reading, length_scale: float = 1.0) -> Plan:
        from model.interpolation.carry import crossing_by_token
        from model.interpolation.plan import plan_over_time

        self.check_words(a.words)
        cross = self.cross if self.cross_word is None else a.word_start(self.cross_word)
        share = a.of_whole_text(lambda tokens: crossing_by_token(tokens, cross, self.cross_width))
        return plan_over_time(model, a, b, share, length_scale)
