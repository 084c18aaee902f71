"""Abbreviations with a full stop, and initialisms read letter by letter."""

from __future__ import annotations

import re

from text import lexicon

# Before a name: the full stop never ends a sentence.
_TITLES = {
    "Mr": "mister",
    "Mrs": "missus",
    "Ms": "miz",
    "Messrs": "messieurs",
    "Mx": "mix",
    "Drs": "doctors",
    "Prof": "professor",
    "Gen": "general",
    "Maj": "major",
    "Col": "colonel",
    "Capt": "captain",
    "Cpt": "captain",
    "Cmdr": "commander",
    "Lt": "lieutenant",
    "Sgt": "sergeant",
    "Cpl": "corporal",
    "Pvt": "private",
    "Adm": "admiral",
    "Rev": "reverend",
    "Fr": "father",
    "Hon": "honorable",
    "Gov": "governor",
    "Sen": "senator",
    "Rep": "representative",
    "Pres": "president",
    "Supt": "superintendent",
    "Mt": "mount",
    "Ft": "fort",
}
# Anywhere: the full stop stays when the sentence seems to end there.
_OTHERS = {
    "Co": "company",
    "Corp": "corporation",
    "Inc": "incorporated",
    "Ltd": "limited",
    "Bros": "brothers",
    "Jr": "junior",
    "Sr": "senior",
    "Esq": "esquire",
    "Ave": "avenue",
    "Blvd": "boulevard",
    "Rd": "road",
    "Hwy": "highway",
    "Pkwy": "parkway",
    "Dept": "department",
    "Univ": "university",
    "Assn": "association",
    "etc": "et cetera",
    "vs": "versus",
    "viz": "namely",
    "cf": "compare",
    "approx": "approximately",
    "appt": "appointment",
    "govt": "government",
    "misc": "miscellaneous",
    "e.g": "for example",
    "i.e": "that is",
    "Ph.D": "p h d",
    "M.D": "m d",
    "a.k.a": "also known as",
    "P.S": "p s",
    "Jan": "January",
    "Feb": "February",
    "Aug": "August",
    "Sept": "September",
    "Oct": "October",
    "Nov": "November",
    "Dec": "December",
}
# Before a number only.
_BEFORE_NUMBER = {
    "No": "number",
    "Nos": "numbers",
    "Vol": "volume",
    "Ch": "chapter",
    "Fig": "figure",
    "Figs": "figures",
    "Sec": "section",
    "Eq": "equation",
    "pp": "pages",
    "p": "page",
    "ca": "circa",
    "c": "circa",
    "Mar": "March",
    "Apr": "April",
    "Jun": "June",
    "Jul": "July",
}
_IN_SMALL = ("No", "Nos", "Vol", "Ch", "Fig", "Figs", "Sec", "Eq")
# Never the last word of a sentence that goes on.
_INSIDE = frozenset(["vs", "viz", "cf", "approx", "e.g", "i.e", "a.k.a"])
_LETTER_NAMES = {"a": "ay"}  # the other letters are words of the dictionary; "a" is the article there

# Dictionary words, yet names of letters when in capitals.
_SPELLED = frozenset([
    "AC", "AI", "ALS", "AM", "AP", "CD", "CEO", "CIA", "CO", "CT", "ER", "ERA", "ET", "GPS", "HP",
    "ID", "IRA", "LA", "LED", "MC", "MS", "NGO", "OS", "PA", "PM", "UN", "US",
])  # fmt: skip
_WORDS = frozenset(["OK", "I", "A", "O"])


def _cased(table: dict[str, str]) -> dict[str, str]:
    """Also with a capital first letter, and in capitals."""
    forms = (str.upper, lambda key: key[0].upper() + key[1:], str)
    return {form(key): words for form in forms for key, words in table.items()}


def _pattern(table: dict[str, str], rest: str) -> re.Pattern:
    keys = "|".join(re.escape(key) for key in sorted(table, key=len, reverse=True))
    return re.compile(rf"(?<![\w.])({keys})\.{rest}")


_OTHERS_CASED = _cased(_OTHERS)
_BEFORE_NUMBER_CASED = _cased({**_BEFORE_NUMBER, **{key.lower(): _BEFORE_NUMBER[key] for key in _IN_SMALL}})
_TITLES_CASED = _cased(_TITLES)
_TITLE_RE = _pattern(_TITLES_CASED, r"(?=\s*(?:[A-Z\"']|and\b|&))")
_BEFORE_NUMBER_RE = _pattern(_BEFORE_NUMBER_CASED, r"(?=\s*#?\d)")
_OTHER_RE = _pattern(_OTHERS_CASED, r"(?!\w)")
_BARE_TITLE_RE = re.compile(r"\b(Mr|Mrs|Ms|Dr|MR|MRS)(?=\s+[A-Z])")
_SAINT_OR_STREET_RE = re.compile(r"(?<![\w.])(St|Dr|DR)\.(?![a-z\d_])")
_DOTTED_RE = re.compile(r"(?<![\w.])((?:[A-Za-z]\.){2,}|(?:[A-Za-z]\.)+[A-Za-z](?![\w.]))('s\b)?")
_INITIAL_RE = re.compile(r"(?<![\w.'])([A-Z])\.(?=\s*[A-Z])")
_CAPITALS_RE = re.compile(r"(?<![\w'])([A-Z]{2,6})(s|'s)?(?![\w'])")
_NUMBERED_A_RE = re.compile(r"\bA(?=-?\d)")  # A380, A-1
_LAST_A_RE = re.compile(r"(?<![\w.'])A(?=[,.;:!?)]|$)")  # vitamin A.
_AMPERSAND_RE = re.compile(r"\b([A-Z]{1,2})&([A-Z]{1,2})\b")
_EMPHATIC_RE = re.compile(r"(?<![\w.'])I\s+$")

_BLANKS = re.compile(r"\s*")
_TEXT_ENDS = re.compile(r"[\"')\]]*\s*$")
_SENTENCE_ENDS = re.compile(r"[\"')\]]*(?:\s*$|\s+[\"'(]*[A-Z])")


def _stop(text: str, position: int) -> str:
    """The full stop to keep at `position`, the end of an abbreviation; none before another one (Co. Ltd.)."""
    follows = _OTHER_RE.match(text, _BLANKS.match(text, position).end())
    return "." if _SENTENCE_ENDS.match(text, position) and not follows else ""


def _apart(match: re.Match, words: str) -> str:
    """Words that replace a match, not touching what comes after it: "J.Smith" is no "jsmith"."""
    return f"{words} " if match.string[match.end() : match.end() + 1].isalnum() else words


def spell(letters: str) -> str:
    return " ".join(_LETTER_NAMES.get(letter, letter) for letter in letters.lower())


def _saint_or_street(match: re.Match) -> str:
    text = match.string
    before = text[max(0, match.start() - 80) : match.start()].rstrip(" ")  # an address is short
    after_name = re.search(r"(?:\b[A-Z][a-z]+|\d(?:st|nd|rd|th))$", before)
    before_name = re.compile(r"\s+[A-Z]").match(text, match.end())
    first, last = ("doctor", "drive") if match[1] != "St" else ("saint", "street")
    if after_name and not before_name:
        return last + _stop(text, match.end())
    if after_name and re.search(r"\d+\s+(?:[A-Z]\w*\s+)*[A-Z][a-z]+$", before):  # a house number comes before
        return f"{last},"
    return first


def _spell_dotted(match: re.Match) -> str:
    # The last full stop of "the U.S. Army" ends no sentence; only the end of the text is sure.
    ends = match[1].endswith(".") and not match[2] and _TEXT_ENDS.match(match.string, match.end())
    return _apart(match, spell(match[1].replace(".", "")) + (match[2] or "") + ("." if ends else ""))


def _spell_capitals(match: re.Match) -> str:
    letters, ending = match[1], match[2] or ""
    is_read = lexicon.contains(letters.lower()) or (len(letters) > 4 and re.search("[AEIOUY]", letters))
    is_word = letters in _WORDS or (letters not in _SPELLED and is_read)
    if letters == "AM" and _EMPHATIC_RE.search(match.string[max(0, match.start() - 8) : match.start()]):
        is_word = True  # "I AM happy"
    return match[0] if is_word else spell(letters) + (f"'{ending}" if ending == "s" else ending)


def expand(text: str) -> str:
    """Written-out abbreviations, before numbers are expanded."""
    text = _TITLE_RE.sub(lambda m: _apart(m, _TITLES_CASED[m[1]]), text)
    text = _BARE_TITLE_RE.sub(lambda m: _TITLES_CASED.get(m[1], "doctor"), text)
    text = _SAINT_OR_STREET_RE.sub(lambda m: _apart(m, _saint_or_street(m)), text)
    text = _NUMBERED_A_RE.sub("ay", text)
    text = _BEFORE_NUMBER_RE.sub(lambda m: _BEFORE_NUMBER_CASED[m[1]], text)
    return _OTHER_RE.sub(_other, text)


def _other(match: re.Match) -> str:
    words, end = _OTHERS_CASED[match[1]], match.end()
    if match[1].lower() in _INSIDE:
        return words + ("." if _TEXT_ENDS.match(match.string, end) else "")
    return words + _stop(match.string, end)


def is_shouted(text: str) -> bool:
    """Whether a text has no small letter, and more words of letters than an initialism is."""
    words = [word.strip(".,;:!?'\"()-") for word in text.split()]
    return not any(c.islower() for c in text) and sum(re.sub(r"[.'-]", "", word).isalpha() for word in words) > 1


def expand_initialisms(text: str, shouted: bool = False) -> str:
    """U.S.A., BBC -> letters; NASA stays a word. Words of a shouted text are words."""
    text = _DOTTED_RE.sub(_spell_dotted, text)
    text = _LAST_A_RE.sub("ay", text)
    text = _INITIAL_RE.sub(lambda m: _apart(m, spell(m[1])), text)
    text = _AMPERSAND_RE.sub(lambda m: f"{spell(m[1])} and {spell(m[2])}", text)
    return text if shouted else _CAPITALS_RE.sub(_spell_capitals, text)
