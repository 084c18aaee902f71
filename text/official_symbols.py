"""The symbols of the official Grad-TTS checkpoints, in their order (they follow keithito/tacotron).

148 symbols; the blank that stands between them has id 148, so the embedding has 149 rows. Padding has id 0.
"""

from __future__ import annotations

import string

from text.symbols import BLANK, PHONES, VOWELS

_UNSTRESSED = {phone.rstrip("012") for phone in VOWELS}
ARPABET = tuple(sorted({*PHONES, *_UNSTRESSED}))

OFFICIAL_SYMBOLS = (
    *("_", "-"),
    *"!'(),.:;? ",
    *(string.ascii_uppercase + string.ascii_lowercase),
    *(f"@{phone}" for phone in ARPABET),
    BLANK,
)
