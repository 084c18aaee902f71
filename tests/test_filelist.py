from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from data.filelist import TextLine, Utterance, read_filelist, read_texts, write_filelist


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "sub/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def lines(folder: Path, content: str | bytes) -> Path:
    path = folder / "list.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_columns_and_defaults(folder):
    path = lines(folder, "a.wav|Hello.|anna|happy\nb.wav|Two\n\n# a comment\nsub/c.wav | Three | 7 |\n")
    assert read_filelist(path) == [
        Utterance(folder / "a.wav", "Hello.", "anna", "happy"),
        Utterance(folder / "b.wav", "Two", "0", "neutral"),
        Utterance(folder / "sub/c.wav", "Three", "7", "neutral"),
    ]


def test_bom_crlf_and_a_missing_last_line_end(folder):
    path = lines(folder, b"\xef\xbb\xbfa.wav|Caf\xc3\xa9\r\nb.wav|Two|x")
    assert read_filelist(path) == [Utterance(folder / "a.wav", "Café"), Utterance(folder / "b.wav", "Two", "x")]


def test_latin_1_is_refused_with_its_line(folder):
    with pytest.raises(InputError, match=r"list\.txt:3: byte 0xe9 is not UTF-8"):
        read_filelist(lines(folder, b"a.wav|one\n\nb.wav|caf\xe9\n"))


@pytest.mark.parametrize("bad", ["a.wav", "a.wav|", "|text", "a.wav|x|y|z|w", "a.wav|  |x"])
def test_wrong_columns_name_file_and_line(folder, bad):
    with pytest.raises(InputError, match=r"list\.txt:2: expected `wav_path\|text\|speaker\|emotion`"):
        read_filelist(lines(folder, f"b.wav|fine\n{bad}\n"))


def test_a_missing_wav_names_file_and_line(folder):
    with pytest.raises(InputError, match=r"list\.txt:2: no file 'gone\.wav'"):
        read_filelist(lines(folder, "a.wav|x\ngone.wav|y\n"))


def test_a_missing_list(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(InputError, match="check the path"):
            read_filelist(path)


def test_the_filelists_folder_comes_before_the_current_one(folder, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("cwd")
    (elsewhere / "a.wav").touch()
    (elsewhere / "only_here.wav").touch()
    monkeypatch.chdir(elsewhere)
    found = read_filelist(lines(folder, f"a.wav|x\nonly_here.wav|y\n{elsewhere / 'a.wav'}|z\n"))
    assert [Path(u.wav).absolute() for u in found] == [
        folder / "a.wav", elsewhere / "only_here.wav", elsewhere / "a.wav",
    ]  # fmt: skip


def test_written_paths_are_relative_to_the_list(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "d.wav"
    other.touch()
    write_filelist(folder / "list.txt", [Utterance(folder / "sub/c.wav", "x"), Utterance(other, "y", "s", "sad")])
    assert (folder / "list.txt").read_text() == f"sub/c.wav|x|0|neutral\n{other}|y|s|sad\n"


_column = st.text(min_size=1, max_size=20)
_name = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(deadline=None, max_examples=150)
@given(rows=st.lists(st.tuples(_name, _column, _column, _column), max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("list")
    utterances = [Utterance(folder / f"{name}.wav", text, speaker, emotion) for name, text, speaker, emotion in rows]
    try:
        write_filelist(folder / "list.txt", utterances)
    except InputError:
        columns = [c for name, *others in rows for c in (f"{name}.wav", *others)]
        assert any("|" in c or "\n" in c or "\r" in c or c != c.strip() or not c.isprintable() for c in columns), (
            "a list that can be written was refused"
        )
        assert not os.listdir(folder)
        return
    for utterance in utterances:
        Path(utterance.wav).touch()
    assert read_filelist(folder / "list.txt") == utterances
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]


@pytest.mark.parametrize("name", ["#1.wav", "\ufeffx.wav", "-.wav", "~.wav"])
def test_names_that_look_like_something_else(tmp_path, name):
    (tmp_path / name).touch()
    write_filelist(tmp_path / "list.txt", [Utterance(tmp_path / name, "x")])
    assert read_filelist(tmp_path / "list.txt") == [Utterance(tmp_path / name, "x")]


@pytest.mark.parametrize("bad", [Utterance("a.wav", ""), Utterance("a.wav", "x|y"), Utterance("a.wav", "x\ny"),
                                 Utterance("a.wav", "x", "s|t"), Utterance("a.wav", "x", " s")])  # fmt: skip
def test_what_a_list_cannot_hold_is_refused(tmp_path, bad):
    with pytest.raises(InputError, match="cannot stand in a filelist"):
        write_filelist(tmp_path / "list.txt", [bad])
    assert os.listdir(tmp_path) == []


def test_a_failed_write_keeps_the_old_list(folder):
    path = lines(folder, "a.wav|old\n")
    with pytest.raises(InputError):
        write_filelist(path, [Utterance(folder / "a.wav", "new"), Utterance(folder / "b.wav", "")])
    assert path.read_text() == "a.wav|old\n"


# --- texts -------------------------------------------------------------------------------------------------------


def test_texts_plain_and_with_columns(folder):
    path = lines(folder, "Hello there.\n\n  \n# spoken too\nTwo|anna|sad|sub/c.wav\nThree||happy\n")
    assert read_texts(path) == [
        TextLine(0, 1, "Hello there."),
        TextLine(1, 4, "# spoken too"),
        TextLine(2, 5, "Two", "anna", "sad", folder / "sub/c.wav"),
        TextLine(3, 6, "Three", None, "happy"),
    ]


def test_texts_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Größe|x\r\n".encode())))
    assert read_texts("-") == [TextLine(0, 1, "Größe", "x")]
    monkeypatch.setattr("data.filelist.MOST_BYTES", 4)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"hello")))
    with pytest.raises(InputError, match="more than 4 bytes"):
        read_texts("-")
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        read_texts("-")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ok\na|b|c|d|e", r":2: expected `text`"),
        ("|anna", r":1: expected `text`"),
        ("a|b|c|gone.wav", r":1: no file 'gone\.wav'"),
        ("\n \n", "holds no text"),
        (b"ok\n\xff\xfe", r":2: byte 0xff is not UTF-8"),
    ],
)
def test_wrong_texts(folder, content, message):
    with pytest.raises(InputError, match=message):
        read_texts(lines(folder, content))


_noise = st.one_of(
    st.binary(max_size=80),
    st.text(st.sampled_from("ab.|#\n\r\0\ufeff é\u2028"), max_size=60).map(str.encode),
)


@settings(deadline=None, max_examples=200)
@given(content=_noise)
def test_only_input_errors_escape(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "list.txt"
    path.write_bytes(content)
    for read in (read_filelist, read_texts):
        try:
            result = read(path)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert all(entry.text == entry.text.strip() != "" for entry in result)


@settings(deadline=None, max_examples=100)
@given(texts=st.lists(st.text(st.characters(exclude_characters="\n\r|", exclude_categories=["Cs"])), max_size=5))
def test_every_text_is_read_in_order(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_bytes(("first\n" + "\n".join(texts)).encode())
    kept = [(i, text.strip()) for i, text in enumerate(["first", *texts], 1) if text.strip()]
    found = read_texts(path)
    assert [(t.line, t.text) for t in found] == kept
    assert [t.index for t in found] == list(range(len(kept)))
