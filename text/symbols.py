"""The symbols that models read: ARPAbet phones, word boundary and the punctuation that shapes prosody."""

from __future__ import annotations

import string

PAD = "<pad>"
BLANK = "<blank>"
SPACE = " "
PAUSE = "<pause>"  # of what was spoken: silence between two pieces; no model reads it
PUNCTUATION = (",", ".", "!", "?", ";", ":", "-")

_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
VOWELS = tuple(f"{vowel}{stress}" for vowel in _VOWELS for stress in "012")
SONORANTS = ("L", "M", "N", "NG", "R", "W", "Y")
VOICED_OBSTRUENTS = ("B", "D", "DH", "G", "JH", "V", "Z", "ZH")
VOICELESS = ("CH", "F", "HH", "K", "P", "S", "SH", "T", "TH")

PHONES = (*VOWELS, *sorted((*SONORANTS, *VOICED_OBSTRUENTS, *VOICELESS)))

# Ids are positions. A checkpoint carries its own tuple; append here, never reorder.
SYMBOLS = (PAD, BLANK, SPACE, *PUNCTUATION, *PHONES)

# Those of the official Grad-TTS checkpoints, in their order (they follow keithito/tacotron): 148 symbols, padding
# first; the blank that stands between them is the 149th.
_UNSTRESSED = {phone.rstrip("012") for phone in VOWELS}
ARPABET = tuple(sorted({*PHONES, *_UNSTRESSED}))

OFFICIAL_SYMBOLS = (
    *("_", "-"),
    *"!'(),.:;? ",
    *(string.ascii_uppercase + string.ascii_lowercase),
    *(f"@{phone}" for phone in ARPABET),
    BLANK,
)
