"""Markup: what each element asks, what is refused and where, and that no document does harm."""

from __future__ import annotations

import math
import re
import time
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import InputError
from text.markup import MAX_CHARACTERS, Break, Mark, Span, is_markup, parse_markup, split_markup
from text.prosody import Prosody


def spans(body: str) -> list[Span]:
    return [part for part in parse_markup(f"<speak>{body}</speak>") if isinstance(part, Span) and part.text.strip()]


def only(body: str) -> Prosody:
    (span,) = spans(body)
    return span.prosody


@pytest.mark.parametrize("line", ["<speak>", "<speak>a</speak>", '<speak version="1.1">a</speak>', "<speak/>"])
def test_a_line_that_begins_with_speak_is_markup(line: str):
    assert is_markup(line)


@pytest.mark.parametrize("line", ["a < b", "<speaker> says", "I say <speak>", "<break/>", "", "<speak", "&amp;"])
def test_any_other_line_is_plain(line: str):
    assert not is_markup(line)


@pytest.mark.parametrize(
    ("attribute", "asked"),
    [
        ('pitch="+2st"', Prosody(pitch=2)),
        ('pitch="-1.5st"', Prosody(pitch=-1.5)),
        ('pitch="2st"', Prosody(pitch=2)),
        ('pitch="+100%"', Prosody(pitch=12)),
        ('pitch="50%"', Prosody(pitch=-12)),
        ('pitch="low"', Prosody(pitch=-2)),
        ('range="1.3"', Prosody(range=1.3)),
        ('range="130%"', Prosody(range=1.3)),
        ('range="+30%"', Prosody(range=1.3)),
        ('range="0%"', Prosody(range=0)),
        ('rate="90%"', Prosody(rate=0.9)),
        ('rate="-10%"', Prosody(rate=0.9)),
        ('rate=".5"', Prosody(rate=0.5)),
        ('rate="fast"', Prosody(rate=1.25)),
        ('volume="-3dB"', Prosody(volume=-3)),
        ('volume="silent"', Prosody(volume=-96)),
        ('volume="default"', Prosody()),
    ],
)
def test_prosody(attribute: str, asked: Prosody):
    found = only(f"<prosody {attribute}>a</prosody>")
    for name in ("pitch", "range", "rate", "volume"):
        assert math.isclose(getattr(found, name), getattr(asked, name), abs_tol=1e-12), name


def test_nested_elements_compose():
    found = spans(
        'a <prosody pitch="+2st" rate="90%">b <prosody pitch="-3st" rate="50%" volume="-3dB">c</prosody> d</prosody> e'
    )
    assert [span.text.strip() for span in found] == ["a", "b", "c", "d", "e"]
    assert [span.prosody for span in found] == [
        Prosody(),
        Prosody(pitch=2, rate=0.9),
        Prosody(pitch=-1, rate=0.45, volume=-3),
        Prosody(pitch=2, rate=0.9),
        Prosody(),
    ]


def test_emphasis_is_stronger_by_level():
    reduced, none, moderate, strong = (
        only(f'<emphasis level="{level}">a</emphasis>') for level in ("reduced", "none", "moderate", "strong")
    )
    assert only("<emphasis>a</emphasis>") == moderate
    assert none == Prosody()
    assert reduced.pitch < 0 < moderate.pitch < strong.pitch
    assert reduced.rate > 1 > moderate.rate > strong.rate


@pytest.mark.parametrize(
    ("element", "seconds"),
    [
        ('<break time="300ms"/>', 0.3),
        ('<break time="1.5s"/>', 1.5),
        ('<break time="0s"></break>', 0),
        ('<break strength="none"/>', 0),
        ('<break time="300ms" strength="x-strong"/>', 0.3),
        ("<break/>", 0.4),
    ],
)
def test_break(element: str, seconds: float):
    (found,) = parse_markup(f"<speak>{element}</speak>")
    assert isinstance(found, Break) and math.isclose(found.seconds, seconds)


def test_phoneme_voice_and_mark():
    parts = parse_markup(
        '<speak><voice name="bert">I say <phoneme alphabet="x-arpabet" ph="t ah0 m aa1 t ow0">tomato</phoneme>'
        '<mark name="here"/></voice>, <phoneme alphabet="ipa" ph="ˈæpəl">apple</phoneme>.</speak>'
    )
    first, word, mark, _, other, _ = parts
    assert (first.voice, word.voice, other.voice) == ("bert", "bert", None)
    assert (word.text, word.phones) == ("tomato", ("T", "AH0", "M", "AA1", "T", "OW0"))
    assert isinstance(mark, Mark) and mark.name == "here"
    assert other.phones == ("AE1", "P", "AH0", "L")


def test_entities_of_xml_comments_and_cdata_are_read():
    assert "".join(span.text for span in spans("a &lt; b &#38; <!-- not this --><![CDATA[c <d>]]>")) == "a < b & c <d>"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<speak>a <audio/></speak>", "column 10: <audio> is not known"),
        ("<speak>a < b</speak>", "column 11: not well-formed"),
        ("<speak>a & b</speak>", "column 11: .*&amp;"),
        ("<speak>é <b>x</b></speak>", "column 10: <b> is not known"),
        ("<speak>a</speak", "unclosed token"),
        ("<speak>a", "no element found"),
        ("<speak>a</speak> b", "column 18: junk"),
        ("<speak><speak>a</speak></speak>", "column 8: <speak> is not known here"),
        ("<prosody>a</prosody>", "begins with <speak>"),
        ("<speak>\n <x/></speak>", "line 2, column 2: <x>"),
        ("<speak><prosody>a</prosody></speak>", "say what to change"),
        ('<speak><prosody pitch="+2">a</prosody></speak>', r"\+2st"),
        ('<speak><prosody pitch="200Hz">a</prosody></speak>', r"\+2st"),
        ('<speak><prosody pitch="99st">a</prosody></speak>', "from -24 to 24 semitones"),
        ('<speak><prosody pitch="-100%">a</prosody></speak>', r"\+2st"),
        ('<speak><prosody rate="9">a</prosody></speak>', "from 0.25 to 4"),
        ('<speak><prosody volume="50">a</prosody></speak>', "-3dB"),
        ('<speak><prosody duration="1s">a</prosody></speak>', "no attribute 'duration'"),
        ('<speak><emphasis level="huge">a</emphasis></speak>', "level must be one of"),
        ('<speak><break time="11s"/></speak>', "from 0 to 10 s"),
        ('<speak><break time="-1s"/></speak>', "from 0 to 10 s"),
        ('<speak><break time="1"/></speak>', "300ms"),
        ('<speak><break strength="some"/></speak>', "strength must be one of"),
        ("<speak><break>a</break></speak>", "holds no text"),
        ('<speak><mark name="a"><break/></mark></speak>', "cannot hold <break>"),
        ("<speak><phoneme>a</phoneme></speak>", "ph=... is missing"),
        ('<speak><phoneme ph="" alphabet="ipa">a</phoneme></speak>', "ph=... is missing"),
        ('<speak><phoneme ph="AH0" alphabet="sampa">a</phoneme></speak>', "alphabet must be one of"),
        ('<speak><phoneme ph="AH" alphabet="x-arpabet">a</phoneme></speak>', "no stress"),
        ('<speak><phoneme ph="X" alphabet="x-arpabet">a</phoneme></speak>', "no ARPAbet phone"),
        ("<speak><voice>a</voice></speak>", "name=... is missing"),
        ("<speak><mark/></speak>", "name=... is missing"),
        ('<speak xml:lang="de">a</speak>', "the language 'de'"),
        ('<speak><?php echo "a" ?></speak>', "processing instruction"),
        ("<speak>\ud800</speak>", "column 8"),
        ("<speak>&#0;</speak>", "column 8"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_its_place(document: str, message: str):
    with pytest.raises(InputError, match=message) as raised:
        parse_markup(document)
    assert "\n" not in str(raised.value)
    assert re.match(r"(line \d+, )?column \d+: ", str(raised.value))


BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))


@pytest.mark.parametrize(
    "document",
    [
        f'<!DOCTYPE speak [<!ENTITY e0 "ha">{BOMB}]><speak>&e11;</speak>',
        '<!DOCTYPE speak [<!ENTITY file SYSTEM "file:///etc/hostname">]><speak>&file;</speak>',
        '<!DOCTYPE speak SYSTEM "http://localhost:9/speak.dtd"><speak>a</speak>',
        "<speak>&e11;</speak>",
    ],
)
def test_nothing_can_be_declared(document: str):
    start = time.process_time()
    with pytest.raises(InputError, match=r"document type|undefined entity"):
        parse_markup(document)
    assert time.process_time() - start < 1


def test_a_document_that_is_too_long_or_too_deep():
    with pytest.raises(InputError, match="too many"):
        parse_markup(f"<speak>{'a' * MAX_CHARACTERS}</speak>")
    depth = 2000
    deep = '<voice name="a">' * depth + "a" + "</voice>" * depth
    assert [span.text for span in spans(deep)] == ["a"]


def test_a_line_is_split_behind_the_document():
    assert split_markup("<speak>a|b</speak>|anna|sad") == ("<speak>a|b</speak>", "|anna|sad")
    assert split_markup("<speak>a|b") == ("<speak>a|b", "")


ELEMENTS = st.sampled_from(
    [
        ("prosody", "pitch", "+2st"), ("prosody", "rate", "90%"), ("prosody", "rate", "9"), ("prosody", "volume", "x"),
        ("emphasis", "level", "strong"), ("emphasis", "x", "y"), ("voice", "name", "anna"), ("voice", "name", "\u0001"),
        ("phoneme", "ph", "æ"), ("phoneme", "ph", "\n"), ("break", "time", "1s"), ("break", "time", "1h"),
        ("mark", "name", "m"), ("audio", "src", "a.wav"), ("speak", "version", "1.1"),
    ]
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Trees of known and unknown elements, most of them well-formed, some damaged."""

    def body(depth: int) -> str:
        text = ""
        for _ in range(draw(st.integers(0, 3))):
            text += escape(draw(st.text(max_size=8)))
            if depth and draw(st.booleans()):
                name, attribute, value = draw(ELEMENTS)
                text += f" <{name} {attribute}={quoteattr(value)}>{body(depth - 1)}</{name}> "
        return text

    document = f"<speak>{body(3)}</speak>"
    if draw(st.integers(0, 3)) == 0:
        cut = draw(st.integers(0, len(document)))
        document = document[:cut] + draw(st.text(max_size=3)) + document[cut + draw(st.integers(0, 3)) :]
    return document


@settings(max_examples=300, deadline=None)
@given(st.one_of(documents(), st.text(max_size=60), st.text(max_size=40).map(lambda text: f"<speak>{text}</speak>")))
@example("<speak>]]></speak>")
@example('<speak a="1" a="2"/>')
def test_every_document_is_read_or_refused_in_one_line(document: str):
    try:
        parts = parse_markup(document)
    except InputError as error:
        assert str(error).splitlines() == [str(error)]
    else:
        assert all(isinstance(part, Span | Break | Mark) for part in parts)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")))
def test_escaped_text_comes_back(text: str):
    assert "".join(part.text for part in parse_markup(f"<speak>{escape(text)}</speak>")) == text
