"""Write `text/official_dictionary.txt`: `python benchmarks/make_official_dictionary.py CMU_DICTIONARY`.

CMU_DICTIONARY is the file `cmu_dictionary` of the official code (in the package grad-tts==0.0.4: `grad_tts/text/`).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from common.arguments import Parser
from common.errors import reports_input_errors
from common.files import read_bounded, replacing
from text import lexicon
from text.official_front_end import PATCH_PATH
from text.symbols import ARPABET

_ENTRY = re.compile(r"([A-Z'][^ ]*)  (.+)")


def official_entries(path: Path) -> dict[str, str]:
    """Lower-case word -> first pronunciation.

    Entries with an unknown phone are left out, as by the official code, which therefore spells "Hawaii" (its AI1).
    """
    found: dict[str, str] = {}
    for line in read_bounded(path).decode("latin-1").splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry and set(entry[2].split()) <= set(ARPABET):
            found.setdefault(re.sub(r"\([0-9]+\)", "", entry[1]).lower(), entry[2].strip())
    return found


@reports_input_errors
def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("cmu_dictionary", type=Path)
    official = official_entries(parser.parse_args().cmu_dictionary)
    ours = {word: variants[0] for word, variants in lexicon.entries().items()}
    lines = [f"{word} {phones}" for word, phones in official.items() if ours.get(word) != phones]
    lines += [word for word in ours if word not in official]
    with replacing(PATCH_PATH) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")
    print(f"{len(lines)} words differ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
