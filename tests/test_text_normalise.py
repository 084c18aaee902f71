from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.fold import KEPT, fold
from text.normalise import normalise

SPOKEN = {
    # numbers
    "1,234 and 12345": "one thousand two hundred thirty-four and twelve thousand three hundred forty-five",
    "3.14, .5 and 1.2.3": "three point one four, point five and one point two point three",
    "In 1984 and 2005.": "in nineteen eighty-four and two thousand five.",
    "It's -5 or \u22125, not 3-5.": "it's minus five or minus five, not three to five.",
    "007": "zero zero seven",
    "1, 2,3": "one, two, three",
    "the 1990s, '90s and 80s": "the nineteen nineties, nineties and eighties",
    "1st, 22nd, 103rd, 11th": "first, twenty-second, one hundred third, eleventh",
    "5% or 2.5 %": "five percent or two point five percent",
    "1/2, 3/4, 2 1/2, 3\u00bd, 24/7": "a half, three quarters, two and a half, three and a half, twenty-four seven",
    # money
    "$5, $1, $0.99, $1.50": "five dollars, one dollar, ninety-nine cents, one dollar and fifty cents",
    "$2.5 million and \u00a33bn": "two point five million dollars and three billion pounds",
    "\u20ac20 or 20 \u20ac, 50\u00a2, \u00a31.01, $5K": (
        "twenty euros or twenty euros, fifty cents, one pound and one penny, five thousand dollars"
    ),
    "-$5": "minus five dollars",
    # times, dates, telephones
    "at 3:45, 3:05 p.m. or 3:00": "at three forty-five, three oh five p m or three o'clock",
    "9 a.m. 12:30AM": "nine ay m twelve thirty ay m",
    "on January 5, 2020 or 12/25/2024.": (
        "on january fifth, twenty twenty or december twenty-fifth, twenty twenty-four."
    ),
    "2024-01-15": "january fifteenth, twenty twenty-four",
    "Call 555-1234.": "call five five five, one two three four.",
    # units
    "5 km, 1 kg, 60mph, 2.4 GHz, 20\u00b0C": (
        "five kilometers, one kilogram, sixty miles per hour, two point four gigahertz, twenty degrees celsius"
    ),
    "5 m\u00b2 and 6 ft.": "five square meters and six feet.",
    "5'10\"": "five foot ten",
    "He is 5'11 tall": "he is five foot eleven tall",
    'A 12" record, 6\' wide and 4" high.': "a twelve inch record, six feet wide and four inches high.",
    'He said "I am 12" and left.': "he said i am twelve and left.",
    "He said 'I am 6' and left.": "he said i am six and left.",
    "Set a 30s timer, wait for 15s, then 2.5s and 1 s.": (
        "set a thirty second timer, wait for fifteen seconds, then two point five seconds and one second."
    ),
    "After 1980s pop, in the 30s, two 45s.": "after nineteen eighties pop, in the thirties, two forty-fives.",
    "A 5 km run, an 8 oz steak, 500 mAh, 2 yrs.": (
        "a five kilometer run, an eight ounce steak, five hundred milliamp hours, two years."
    ),
    "5 kg < 10 kg, 5% > 3%, \u00a35 < \u00a310": (
        "five kilograms is less than ten kilograms, five percent is greater than three percent, "
        "five pounds is less than ten pounds"
    ),
    "3 > -2, 0.5 < .7": "three is greater than minus two, zero point five is less than point seven",
    "a 5 x 10 cm box, 4x4": "a five by ten centimeters box, four by four",
    "1/3rd of it, 2/5ths": "one third of it, two fifths",
    "100'000 or 1'234'567": (
        "one hundred thousand or one million two hundred thirty-four thousand five hundred sixty-seven"
    ),
    # dashes and ranges
    "Three answers\u201442, 43.": "three answers - forty-two, forty-three.",
    "Wait \u2014 5 more - 6, or \u2212 7": "wait - five more - six, or minus seven",
    "1939 \u2013 1945, pages 10 - 12": "nineteen thirty-nine to nineteen forty-five, pages ten to twelve",
    "5 - 3 = 2 and 5 \u2212 3": "five minus three equals two and five minus three",
    "5-10%, 5% - 10%, 3-5 km": "five to ten percent, five percent to ten percent, three to five kilometers",
    "20\u201325\u00b0C, $20-$30": "twenty to twenty-five degrees celsius, twenty dollars to thirty dollars",
    "2-3 p.m. or 9:30-17:00": "two to three p m or nine thirty to seventeen hundred",
    "1-1/2 cups, 500\u20131000 people": "one and a half cups, five hundred to one thousand people",
    "1-800-555-1234 or (555) 123-4567": (
        "one, eight oh oh, five five five, one two three four or five five five, one two three, four five six seven"
    ),
    "a 10-km run, a $5-million deal": "a ten kilometer run, a five million dollar deal",
    "6 ft. tall, 5 lb. of it. It is 6 ft. He": "six feet tall, five pounds of it. it is six feet. he",
    "8am-5pm, 8 a.m.\u20135 p.m., 9am - 5pm": "eight ay m to five p m, eight ay m to five p m, nine ay m to five p m",
    "10\u00b0C-15\u00b0C, $5k-$10k": (
        "ten degrees celsius to fifteen degrees celsius, five thousand dollars to ten thousand dollars"
    ),
    "10th\u201312th, 5mg-10mg, 1990s-2000s": (
        "tenth to twelfth, five milligrams to ten milligrams, nineteen nineties to two thousands"
    ),
    # powers and rates
    "9.8 m/s\u00b2 or m/s^2": "nine point eight meters per second squared or m s squared",
    "10\u2076 or 10^6, 10\u207b\u00b3, 5\u00b2, in 1990\u00b9": (
        "ten to the power of six or ten to the power of six, ten to the power of minus three, five squared, "
        "in nineteen ninety"
    ),
    "$50/month, 60 miles/hour, 20 km/day, $3/lb": (
        "fifty dollars per month, sixty miles per hour, twenty kilometers per day, three dollars per pound"
    ),
    "a $5 bill, $100-a-day, $-5 or ~$5": (
        "a five dollar bill, one hundred dollars a day, minus five dollars or about five dollars"
    ),
    "'05 or '99, 2-1=1": "oh five or ninety-nine, two minus one equals one",
    "10\u00a0000 people": "ten thousand people",
    # abbreviations
    "Mr.Smith, J.K.Rowling, the U.S.Army": "mister smith, j k rowling, the u s army",
    "DR. JONES AND MRS SMITH": "doctor jones and missus smith",
    "Acme Corp. Inc. It is Co. Ltd. Yes.": "acme corporation incorporated. it is company limited. yes.",
    "AT&T's R&B": "ay t and t's r and b",
    "Node.js, readme.txt.": "node dot js, readme dot txt.",
    "But I AM happy! 5 AM.": "but i am happy! five ay m.",
    # capitals
    "TELL US 3 THINGS!": "tell us three things!",
    "CHAPTER IV: HE LED US TO THE U.S.": "chapter four: he led us to the u s.",
    "MP3 CD": "m p three c d",
    # Roman numerals
    "type II or class IV, Vol. II, Fig. IV, WWII": "type two or class four, volume two, figure four, world war two",
    "the part I like. No. I do not.": "the part i like. no. i do not.",
    "Ali vs. Frazier, e.g. London": "ali versus frazier, for example london",
    "see Fig. 2, fig. 3 and no. 5": "see figure two, figure three and number five",
    "Paul V. Smith met Henry V and Louis XIV.": "paul v smith met henry the fifth and louis the fourteenth.",
    "Super Bowl LVI, Type L": "super bowl fifty-six, type l",
    "the UN, LED and CO2": "the u n, l e d and c o two",
    "\u00bd% of it": "a half percent of it",
    "Mr. and Mrs. Smith met Dr. Jones.": "mister and missus smith met doctor jones.",
    "St. Paul, Main St., 12 Elm St. near Park Dr.": "saint paul, main street, twelve elm street near park drive.",
    "Acme Co. was founded by Sam Jr. in May.": "acme company was founded by sam junior in may.",
    "e.g. this, i.e. that, etc. And vs. them": "for example this, that is that, et cetera. and versus them",
    "No. 5 is alive. No. He said no.": "number five is alive. no. he said no.",
    # initialisms
    "the U.S.A., the US and A&E": "the u s ay, the u s and ay and e",
    "IBM, HTTPS, NASA and XKCD": "ibm, h t t p s, nasa and x k c d",
    "TVs and the FBI's": "tvs and the fbi's",
    "WHO IS IT?": "who is it?",
    "MP3, H2O, A380, COVID-19": "m p three, h two o, ay three hundred eighty, covid-nineteen",
    "J. R. R. Tolkien": "j r r tolkien",
    # symbols
    "a & b + c = d @ home #5": "a and b plus c equals d at home number five",
    "me@example.com www.example.com": "me at example dot com w w w dot example dot com",
    # Roman numerals
    "Henry VIII and Louis XIV": "henry the eighth and louis the fourteenth",
    "Chapter IV of World War II, the part I like": "chapter four of world war two, the part i like",
    "IV and XI": "i v and xi",
    # punctuation and quotes
    "'Quoted' \u201cwords\u201d \u2014 don't": "quoted words - don't",
    "goin' get 'em, dogs' 'tis o'clock": "goin' get 'em, dogs 'tis o'clock",
    "Really?! Yes... (no) [x] \u2026": "really? yes. no, x.",
    "... well-known -- word-": "well-known - word -",
    # Unicode
    "caf\u00e9 na\u00efve stra\u00dfe \ufb01ne \u03b1": "cafe naive strasse fine alpha",
    "two\nlines\tand\u00a0spaces": "two lines and spaces",
    "\u041f\u0440\u0438\u0432\u0435\u0442 \U0001f600 !": "",
    "": "",
}


@pytest.mark.parametrize("text", SPOKEN)
def test_spoken_form(text):
    assert normalise(text) == SPOKEN[text]


WORD = r"'?[a-z]+(?:'[a-z]+)*'?"
NORMALISED = re.compile(rf"(?:{WORD}(?:-{WORD})*[,.!?;:]?(?: - | -$| |$))*")
SIGNS = "$ \u00a3 - -- ' \" . , : / % # @ & st th am p.m. Dr. St. U.S. I II km K 's \u00bd + ( ) A"
CAT = "the cat sat on a mat while nobody really looked"
PIECES = st.one_of(
    st.text(max_size=8),
    st.integers(0, 10**12).map(str),
    st.sampled_from(SIGNS.split(" ")),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(PIECES, max_size=12), st.sampled_from(["", " "]))
def test_any_text_gives_words_and_marks_only(pieces, joint):
    spoken = normalise(joint.join(pieces))
    assert NORMALISED.fullmatch(spoken), spoken
    assert normalise(spoken) == spoken


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(CAT.split(" ")), min_size=1))
def test_plain_words_stay(words):
    assert normalise(" ".join(words)) == " ".join(words)


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_folded_text_is_plain(text):
    folded = fold(text)
    assert all(" " <= character <= "~" or character in KEPT for character in folded)


def test_long_digit_strings():
    assert normalise("1" * 5000) == " ".join(["one"] * 5000)
