from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import InputError
from data.corpora import READERS


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(name: str, source: Path):
    """[(path in the corpus, text, speaker, emotion, split)], {rejected path: reason}"""
    rejects = {}
    found = list(READERS[name](source, lambda path, reason: rejects.update({str(path.relative_to(source)): reason})))
    rows = [(str(Path(u.wav).relative_to(source)), u.text, u.speaker, u.emotion, u.split) for u in found]
    return rows, rejects


def test_ljspeech(tmp_path):
    touch(tmp_path, "wavs/LJ001-0001.wav", "wavs/LJ001-0002.wav")
    metadata = 'LJ001-0001|In 1898, "so"|In eighteen ninety-eight, "so"\nLJ001-0002|Only two\nLJ001-0003|x|y\n'
    write(tmp_path / "metadata.csv", metadata)
    rows, rejects = read("ljspeech", tmp_path)
    assert rows == [
        ("wavs/LJ001-0001.wav", 'In eighteen ninety-eight, "so"', "LJ", "neutral", None),
        ("wavs/LJ001-0002.wav", "Only two", "LJ", "neutral", None),
    ]
    assert rejects == {"wavs/LJ001-0003": "no audio file"}


@pytest.mark.parametrize("named", ["x.flac", "x"])
def test_a_likeness_of_ljspeech_with_other_audio(tmp_path, named):
    touch(tmp_path, "wavs/x.flac")
    write(tmp_path / "metadata.csv", f"{named}|One|Two\n")
    rows, rejects = read("ljspeech", tmp_path)
    assert rows == [("wavs/x.flac", "Two", "LJ", "neutral", None)] and not rejects


def test_vctk(tmp_path):
    audio = "wav48_silence_trimmed"
    touch(tmp_path, f"{audio}/p225/p225_001_mic1.flac", f"{audio}/p225/p225_001_mic2.flac", f"{audio}/log.txt")
    touch(tmp_path, f"{audio}/s5/s5_002_mic1.flac", f"{audio}/p315/p315_001_mic1.flac")
    write(tmp_path / "txt/p225/p225_001.txt", "Please call Stella.\n")
    write(tmp_path / "txt/s5/s5_002.txt", "Ask her\nto bring. ")
    rows, rejects = read("vctk", tmp_path)
    assert rows == [
        (f"{audio}/p225/p225_001_mic1.flac", "Please call Stella.", "p225", "neutral", None),
        (f"{audio}/s5/s5_002_mic1.flac", "Ask her to bring.", "s5", "neutral", None),
    ]
    assert rejects == {f"{audio}/p315/p315_001_mic1.flac": "no text"}


def test_libritts(tmp_path):
    names = {
        "train-clean-100/19/198/19_198_000000_000000": "train",
        "dev-clean/84/121123/84_121123_000007_000001": "valid",
        "test-other/367/130732/367_130732_000000_000000": "test",
    }
    for name in names:
        touch(tmp_path, f"{name}.wav")
        write(tmp_path / f"{name}.normalized.txt", f"Text of {name}\n")
        write(tmp_path / f"{name}.original.txt", "other")
    touch(tmp_path, "dev-clean/84/121123/84_121123_000008_000000.wav")
    rows, rejects = read("libritts", tmp_path)
    assert {row[0]: row[4] for row in rows} == {f"{name}.wav": split for name, split in names.items()}
    assert {row[2] for row in rows} == {"19", "84", "367"}
    assert all(row[1] == f"Text of {row[0].removesuffix('.wav')}" for row in rows)
    assert rejects == {"dev-clean/84/121123/84_121123_000008_000000.wav": "no text"}
    rows, _ = read("libritts", tmp_path / "train-clean-100")  # one subset alone
    assert [row[2:] for row in rows] == [("19", "neutral", "train")]


def test_esd(tmp_path):
    touch(tmp_path, "0011/Angry/train/0011_000371.wav", "0011/Angry/evaluation/0011_000351.wav")
    touch(tmp_path, "0011/Surprise/test/0011_001421.wav", "0011/Sad/test/0011_009999.wav", "0011/Odd/0011_000371.wav")
    touch(tmp_path, "0012/Happy/0012_000701.wav", "0001/Neutral/0001_000001.wav", "readme.txt")
    touch(tmp_path, "0011/0011_000371.wav")
    write(tmp_path / "0011/0011.txt",
          b"\xef\xbb\xbf0011_000371\tI\xe2\x80\x99ll go.\tAngry\r\n0011_000351\tThe nine. \tAngry\r\n\r\n"
          b"0011_001421\tOh!\tSurprise\r\n")  # fmt: skip
    write(tmp_path / "0012/0012.txt", "0012_000701\tTwo words\tHappy\n".encode("utf-16"))
    write(tmp_path / "0001/0001.txt", "0001_000001\t打远一看\t中立\n")
    rows, rejects = read("esd", tmp_path)
    assert sorted(rows) == [
        ("0011/Angry/evaluation/0011_000351.wav", "The nine.", "0011", "angry", "valid"),
        ("0011/Angry/train/0011_000371.wav", "I\u2019ll go.", "0011", "angry", "train"),
        ("0011/Surprise/test/0011_001421.wav", "Oh!", "0011", "surprise", "test"),
        ("0012/Happy/0012_000701.wav", "Two words", "0012", "happy", None),
    ]
    assert rejects == {
        "0001/Neutral/0001_000001.wav": "the text is not English",
        "0011/0011_000371.wav": "not in the folder of an emotion",
        "0011/Odd/0011_000371.wav": "Odd is not an emotion of ESD",
        "0011/Sad/test/0011_009999.wav": "no text",
    }


def test_esd_text_in_windows_encoding(tmp_path):
    touch(tmp_path, "0013/Sad/train/0013_001051.wav")
    write(tmp_path / "0013/0013.txt", b"0013_001051\tI\x92ll go.\tSad\n")
    assert read("esd", tmp_path)[0][0][1] == "I\u2019ll go."


def test_ravdess(tmp_path):
    touch(tmp_path, "Actor_12/03-01-06-01-02-01-12.wav", "Actor_01/03-01-01-01-01-02-01.wav")
    touch(tmp_path, "Actor_01/03-02-03-01-01-01-01.wav", "Actor_01/03-01-09-01-01-01-01.wav", "Actor_01/x.wav")
    rows, rejects = read("ravdess", tmp_path)
    assert rows == [
        ("Actor_01/03-01-01-01-01-02-01.wav", "Kids are talking by the door.", "Actor_01", "neutral", None),
        ("Actor_12/03-01-06-01-02-01-12.wav", "Dogs are sitting by the door.", "Actor_12", "fearful", None),
    ]
    assert rejects == {
        "Actor_01/03-02-03-01-01-01-01.wav": "song",
        "Actor_01/03-01-09-01-01-01-01.wav": "not a RAVDESS file name",
        "Actor_01/x.wav": "not a RAVDESS file name",
    }


def test_kathleen(tmp_path):
    touch(tmp_path, "wav/arctic_a0001.flac")
    write(tmp_path / "metadata.csv", "arctic_a0001.flac|Author of the danger trail.|3.30\ngone.flac|x|1.0\n")
    rows, rejects = read("kathleen", tmp_path)
    assert rows == [("wav/arctic_a0001.flac", "Author of the danger trail.", "kathleen", "neutral", None)]
    assert rejects == {"wav/gone.flac": "no audio file"}


def test_folder_with_texts_beside(tmp_path):
    touch(tmp_path, "a.wav", "anna/b.FLAC", "anna/deep/c.mp3", "anna/d.ogg", "notes.md")
    write(tmp_path / "a.txt", "One.\n")
    write(tmp_path / "anna/b.lab", "Two\n")
    write(tmp_path / "anna/deep/c.txt", "\ufeffThree\r\n")
    rows, rejects = read("folder", tmp_path)
    assert [row[:3] for row in rows] == [
        ("a.wav", "One.", tmp_path.name), ("anna/b.FLAC", "Two", "anna"), ("anna/deep/c.mp3", "Three", "anna"),
    ]  # fmt: skip
    assert rejects == {"anna/d.ogg": "no text"}


def test_folder_with_metadata(tmp_path):
    touch(tmp_path, "wavs/x1.wav", "wav/x2.flac", "anna/x3.wav", "v1.0.wav")
    write(tmp_path / "metadata.csv", "x1|One|raw\nx2.flac|Two\n\nanna/x3|Three\nv1.0|Four\nx5|Five\n")
    rows, rejects = read("folder", tmp_path)
    itself = tmp_path.name  # the folder
    assert [row[:3] for row in rows] == [
        ("wavs/x1.wav", "One", itself), ("wav/x2.flac", "Two", itself), ("anna/x3.wav", "Three", "anna"),
        ("v1.0.wav", "Four", itself),
    ]  # fmt: skip
    assert rejects == {"x5": "no audio file"}
    elsewhere = tmp_path / "wavs" / ".." / "anna" / "x3.wav"
    write(tmp_path / "metadata.csv", f"{elsewhere}|Whole\n../{itself}/anna/x3.wav|Round\n")
    assert {row[2] for row in read("folder", tmp_path)[0]} == {"anna"}
    write(tmp_path / "metadata.csv", "x1|One\nno columns\n")
    (tmp_path / "metadata.csv").write_bytes(b"x1|One\nno columns\nx2|caf\xe9\n")
    rows, rejects = read("folder", tmp_path)
    assert [row[1] for row in rows] == ["One"]
    assert "metadata.csv:2: expected `file|text`" in rejects["metadata.csv"]


def test_a_folder_of_audio_is_no_speaker(tmp_path, monkeypatch):
    touch(tmp_path, "wavs/a.wav", "wavs/anna/b.wav")
    write(tmp_path / "wavs/a.txt", "One.")
    write(tmp_path / "wavs/anna/b.txt", "Two.")
    monkeypatch.chdir(tmp_path)
    rejects = []
    for source in (tmp_path, Path("."), tmp_path / "wavs" / ".."):
        found = list(READERS["folder"](source, lambda path, reason: rejects.append(path)))
        assert [u.speaker for u in found] == [tmp_path.name, "anna"] and not rejects


@pytest.mark.parametrize("name", sorted(READERS))
def test_another_folder_is_refused(tmp_path, name):
    write(tmp_path / "readme.md", "nothing here")
    with pytest.raises(InputError, match=str(tmp_path)):
        read(name, tmp_path)


def test_a_text_that_is_not_utf8_is_named(tmp_path):
    touch(tmp_path, "a.wav")
    write(tmp_path / "a.txt", b"caf\xe9")
    rows, rejects = read("folder", tmp_path)
    assert rows == [] and "a.txt:1: byte 0xe9" in rejects["a.wav"]


KATHLEEN = Path(__file__).resolve().parents[2] / "shared" / "data" / "kathleen"


@pytest.mark.skipif(not KATHLEEN.is_dir(), reason="needs ../shared/data/kathleen")
def test_kathleen_itself():
    rows, rejects = read("kathleen", KATHLEEN)
    assert len(rows) == 1132 and not rejects
    assert rows[0][:2] == ("wav/arctic_a0001.flac", "Author of the danger trail, Philip Steels, etc.")
