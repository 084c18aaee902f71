from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.numbers import MAX_DIGITS, cardinal, decimal, roman_value, to_ordinal, to_plural, whole, year


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (21, "twenty-one"),
        (100, "one hundred"),
        (101, "one hundred one"),
        (999, "nine hundred ninety-nine"),
        (1000, "one thousand"),
        (1001, "one thousand one"),
        (12_345, "twelve thousand three hundred forty-five"),
        (1_000_000, "one million"),
        (2_000_019, "two million nineteen"),
        (10**33, "one decillion"),
    ],
)
def test_cardinals(n, words):
    assert cardinal(n) == words


def test_group_and_joint_follow_the_places_of_and_and_commas():
    assert cardinal(1234, " and ", ", ") == "one thousand, two hundred and thirty-four"
    assert cardinal(1001, " and ", ", ") == "one thousand and one"
    assert cardinal(1100, " and ", ", ") == "one thousand, one hundred"


def test_numbers_without_a_name_are_refused():
    with pytest.raises(ValueError, match="cannot be read"):
        cardinal(10**MAX_DIGITS)
    with pytest.raises(ValueError, match="cannot be read"):
        cardinal(-1)


UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS = {word: n for n, word in enumerate(UNITS.split(" "))} | {
    word: 10 * n for n, word in enumerate(TENS.split(" "), start=2)
}
SCALES = "thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion"


def value(words: str) -> int:
    total = group = 0
    for word in words.replace("-", " ").split():
        if word in NUMBER_WORDS:
            group += NUMBER_WORDS[word]
        elif word == "hundred":
            group *= 100
        else:
            total += group * 1000 ** (SCALES.split(" ").index(word) + 1)
            group = 0
    return total + group


@settings(deadline=None, max_examples=200)
@given(st.integers(0, MAX_DIGITS - 1).flatmap(lambda digits: st.integers(0, 10 ** (digits + 1) - 1)))
def test_words_have_the_value_of_the_number(n):
    assert value(cardinal(n)) == n


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (1, "first"),
        (2, "second"),
        (3, "third"),
        (5, "fifth"),
        (8, "eighth"),
        (9, "ninth"),
        (12, "twelfth"),
        (20, "twentieth"),
        (21, "twenty-first"),
        (100, "one hundredth"),
        (1112, "one thousand one hundred twelfth"),
    ],
)
def test_ordinals(n, words):
    assert to_ordinal(cardinal(n)) == words


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (1984, "nineteen eighty-four"),
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (2000, "two thousand"),
        (2005, "two thousand five"),
        (2010, "twenty ten"),
        (2024, "twenty twenty-four"),
        (1066, "ten sixty-six"),
    ],
)
def test_years(n, words):
    assert year(n) == words


def test_decimals_plurals_and_digit_strings():
    assert decimal("1,234.05") == "one thousand two hundred thirty-four point zero five"
    assert decimal(".5") == "point five"
    assert [to_plural(words) for words in ("twenty", "six", "two thousand")] == ["twenties", "sixes", "two thousands"]
    assert whole("007") == "zero zero seven"
    assert whole("0") == "zero"
    assert whole("1" * 37) == " ".join(["one"] * 37)


def test_roman_values_up_to_39():
    hundreds = ["", "X", "XX", "XXX"]
    units = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"]
    for n in range(1, 40):
        assert roman_value(hundreds[n // 10] + units[n % 10]) == n
    assert [roman_value(text) for text in ("", "IIII", "VX", "IC", "IXI")] == [None] * 5
