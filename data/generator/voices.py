"""Virtual voices: mixtures of Kokoro's voice packs, moved along the vocal tract's length by a formant factor.

A mixture is linear in the whole style vector. Resampling the rendered audio by r multiplies formants by r; what it does
to F0 and durations is undone beforehand (`data.generator.corpus.speak`), so the same prosody comes out of another body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.generator.engine import KokoroEngine

# Far apart in timbre (largest cosine of speaker embeddings within either group .67), two US and two UK in each.
NAMED_VOICES = (
    "af_jessica", "af_kore", "bf_isabella", "bf_lily", "am_liam", "am_michael", "bm_fable", "bm_lewis",
)  # fmt: skip
# Packs without a near twin among the others. What a model makes of a voice that it never met is judged on the first
# list and chosen on the second; neither gives timbre, prosody or F0 to anything that is trained on or selected by.
TEST_PACKS = ("bf_emma", "ff_siwis", "af_river", "af_aoede", "am_onyx", "am_eric", "im_nicola", "zm_yunxi")
DEVELOPMENT_PACKS = ("if_sara", "bf_alice", "am_adam", "zm_yunyang")
ENGLISH_PACKS = (
    "af_alloy", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova", "af_sarah", "af_sky",
    "am_echo", "am_fenrir", "am_liam", "am_michael", "am_puck", "am_santa", "bf_isabella", "bf_lily", "bm_daniel",
    "bm_fable", "bm_george", "bm_lewis",
)  # fmt: skip
# Without jf_tebukuro, zf_xiaoxiao and zf_xiaoyi, whose English is understood worst (word error rates up to .27).
OTHER_PACKS = (
    "ef_dora", "em_alex", "em_santa", "hf_alpha", "hf_beta", "hm_omega", "hm_psi", "jf_alpha", "jf_gongitsune",
    "jf_nezumi", "jm_kumo", "pf_dora", "pm_alex", "pm_santa", "zf_xiaobei", "zf_xiaoni", "zm_yunjian", "zm_yunxia",
)  # fmt: skip
PACKS = ENGLISH_PACKS + OTHER_PACKS
FORMANT_LIMITS = (0.84, 1.19)
_EXTRAPOLATION = 1.4  # of a mixture, away from the mean of its kind
_SCATTER = 1.3  # standard deviations of the packs; at 1.5 some voices are not understood
_EXTRAPOLATED, _PLAIN_BODY = 0.25, 0.25  # shares of the voices that are, or have a formant factor of 1


@dataclass(frozen=True)
class Voice:
    """packs and their weights, which sum to 1; formants: factor r; f0_shift: semitones, part of who it is.

    centre: packs from whose mean the mixture is moved away by 1.4; empty: it is not.
    """

    name: str
    packs: tuple[str, ...]
    weights: tuple[float, ...] = (1.0,)
    formants: float = 1.0
    f0_shift: float = 0.0
    centre: tuple[str, ...] = ()

    @property
    def british(self) -> bool:
        """Whether its largest part is a British voice: its text gets British vowels."""
        return self.packs[0].startswith("b")

    def style(self, engine: KokoroEngine, characters: int) -> np.ndarray:
        """Kokoro's style vector (1, 256) for a text of so many characters. Raises InputError for a missing pack."""
        mixed = sum(w * engine.style(pack, characters) for w, pack in zip(self.weights, self.packs, strict=True))
        if not self.centre:
            return np.asarray(mixed, np.float32)
        mean = np.mean([engine.style(pack, characters) for pack in self.centre], axis=0)
        return (mean + _EXTRAPOLATION * (mixed - mean)).astype(np.float32)


def unseen_voices(development: bool = False) -> list[Voice]:
    """The voices that a model is judged on, or chosen on: the packs that are kept apart, and mixtures of them."""
    packs, mixtures = (DEVELOPMENT_PACKS, _DEVELOPMENT_MIXTURES) if development else (TEST_PACKS, _TEST_MIXTURES)
    return [*(pack_voice(pack) for pack in packs), *mixtures]


def pack_voice(name: str) -> Voice:
    """A voice pack as it is."""
    return Voice(name, (name,))


def draw_voice(name: str, *seed: int) -> Voice:
    """The virtual voice that the seed decides: up to three packs, an English one first and with at least half of it."""
    rng = np.random.default_rng(seed)
    count = rng.choice([1, 2, 3], p=[0.2, 0.35, 0.45])
    first = str(rng.choice(ENGLISH_PACKS))
    # Of one sex: between a woman and a man the prosody is nobody's.
    like = [pack for pack in PACKS if pack[1] == first[1] and pack != first]
    others = [str(pack) for pack in rng.choice(like, count - 1, replace=False)]
    main = 1.0 if count == 1 else rng.uniform(0.5, 0.75)
    rest = (1 - main) * rng.dirichlet(np.ones(count - 1)) if count > 1 else []
    formants, f0_shift = _body(rng, plain=0.0 if count == 1 else _PLAIN_BODY)
    centre = ()
    if count > 1 and rng.random() < _EXTRAPOLATED:
        centre = tuple(pack for pack in ENGLISH_PACKS if pack[1] == first[1])
    weights = (float(main), *(float(weight) for weight in rest))
    return Voice(name, (first, *others), weights, formants, f0_shift, centre)


def draw_far_voice(name: str, *seed: int) -> Voice:
    """A voice farther from the others: a random mixture of all packs of a sex, with their mean.

    Its covariance is that of the packs, times the square of _SCATTER.
    """
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"])
    packs = np.array([pack for pack in PACKS if pack[1] == sex])
    random = rng.normal(size=len(packs))
    weights = 1 / len(packs) + _SCATTER * (random - random.mean()) / np.sqrt(len(packs) - 1)
    largest_first = np.argsort(-weights)
    formants, f0_shift = _body(rng)
    weights = tuple(float(weight) for weight in weights[largest_first])
    return Voice(name, tuple(str(pack) for pack in packs[largest_first]), weights, formants, f0_shift)


def _body(rng: np.random.Generator, plain: float = 0.0) -> tuple[float, float]:
    """A formant factor, 1 in a share `plain`, and a shift of F0 in semitones."""
    formants = 1.0
    if not plain or rng.random() >= plain:
        formants = float(np.exp(rng.uniform(*np.log(FORMANT_LIMITS))))
    # A longer vocal tract goes with longer vocal folds, but not strictly.
    return formants, float(12 * np.log2(formants) * rng.uniform(-0.3, 1) + rng.normal(0, 0.7))


_TEST_MIXTURES = (
    Voice("test_low_woman", ("af_river", "ff_siwis"), (0.6, 0.4), formants=0.86, f0_shift=-2.0),
    Voice("test_high_woman", ("bf_emma", "af_aoede"), (0.6, 0.4), formants=1.17, f0_shift=2.0),
    Voice("test_low_man", ("am_onyx", "im_nicola"), (0.55, 0.45), formants=0.87, f0_shift=-1.0),
    Voice("test_high_man", ("am_eric", "zm_yunxi"), (0.6, 0.4), formants=1.16, f0_shift=1.5),
)
_DEVELOPMENT_MIXTURES = (
    Voice("development_woman", ("bf_alice", "if_sara"), (0.6, 0.4), formants=0.88, f0_shift=-1.5),
    Voice("development_man", ("am_adam", "zm_yunyang"), (0.6, 0.4), formants=1.14, f0_shift=1.5),
)
