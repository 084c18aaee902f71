from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import data.cache
import data.corpora
import data.generator
from common.errors import InputError
from data.audio import write_wav
from data.embeddings import read_embeddings
from data.filelist import Utterance, read_filelist, write_filelist
from data.splitting import sentence_key, split_by_sentence, split_published
from prepare_data import main

RATE = 22050


def tone(seconds: float = 1.5, hz: float = 150.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.2 * sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 6))).astype(np.float32)


@pytest.fixture
def source(tmp_path):
    """Two speakers with four sentences each, and one file for every reason to reject."""
    root = tmp_path / "source"
    for s, speaker in enumerate(("anna", "bert")):
        for i, text in enumerate(("Hello there.", "How are you?", "Fine, thanks.", "Good bye!")):
            write_wav(root / speaker / f"{speaker}{i}.wav", tone(hz=120 + 40 * s + i), RATE)
            (root / speaker / f"{speaker}{i}.txt").write_text(text)
    for name, audio, text in (
        ("short", tone(0.2), "Hi"),
        ("long", tone(16), "Hello"),
        ("silent", tone() * 0, "Silence"),
        ("dense", tone(0.6), "Far too many words for less than a second of audio, it seems"),
        ("unspeakable", tone(), "..."),
    ):
        write_wav(root / "bad" / f"{name}.wav", audio, RATE)
        (root / "bad" / f"{name}.txt").write_text(text)
    (root / "bad" / "broken.wav").write_text("no audio")
    (root / "bad" / "broken.txt").write_text("Broken")
    write_wav(root / "bad" / "mute.wav", tone(), RATE)
    return root


def prepare(source, tmp_path, *more: str) -> int:
    return main(["folder", str(source), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), *more])


def test_a_folder_becomes_filelists_tables_cache_and_summary(source, tmp_path, capsys):
    assert prepare(source, tmp_path, "--valid", "2") == 0
    out = tmp_path / "out"
    train, valid = read_filelist(out / "train.txt"), read_filelist(out / "valid.txt")
    assert len(train) == 6 and len(valid) == 2
    assert not {u.text for u in train} & {u.text for u in valid}
    assert {u.speaker for u in train} == {"anna", "bert"}
    assert (out / "speakers.txt").read_text() == "anna\nbert\n"
    assert (out / "emotions.txt").read_text() == "neutral\n"
    assert len(list((tmp_path / "cache").rglob("*.npz"))) >= 8
    rejects = dict(line.split("\t") for line in (out / "rejects.txt").read_text().splitlines())
    reasons = {Path(path).stem: reason for path, reason in rejects.items()}
    assert set(reasons) == {"short", "long", "silent", "dense", "unspeakable", "broken", "mute"}
    for stem, part in {
        "short": "shorter than 0.5 s",
        "long": "longer than 15 s",
        "silent": "no voiced frame",
        "dense": "more tokens",
        "unspeakable": "nothing to speak",
        "broken": "cannot be read as audio",
        "mute": "no text",
    }.items():
        assert part in reasons[stem]
    shown = capsys.readouterr().out
    assert (out / "summary.txt").read_text().strip() in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["part", "train", "6", "0.003"] in rows and ["part", "valid", "2", "0.001"] in rows
    assert ["speaker", "anna", "4", "0.002"] in rows and ["emotion", "neutral", "8", "0.003"] in rows
    assert ["all", "8", "0.003"] in rows and ["rejected", "7"] in rows


def test_the_seed_alone_decides_the_split(source, tmp_path):
    lists = []
    for seed in ("0", "0", "1", "2", "3"):
        assert prepare(source, tmp_path, "--valid", "2", "--seed", seed) == 0
        lists.append((tmp_path / "out" / "valid.txt").read_text())
    assert lists[0] == lists[1]
    assert len(set(lists)) > 1


def test_shards_fill_the_cache_and_a_last_run_lists(source, tmp_path, monkeypatch):
    (source / "bad" / "silent.wav").unlink()  # what cannot be used has no entry, and is looked at again
    for shard in ("1/2", "2/2"):
        assert prepare(source, tmp_path, "--shard", shard) == 0
        assert not (tmp_path / "out").exists()
    monkeypatch.setattr("data.cache.extract", lambda *_: pytest.fail("extracted again"))
    assert prepare(source, tmp_path, "--valid", "2") == 0
    assert (tmp_path / "out" / "train.txt").exists()


def test_embeddings_are_checked_and_tabulated(source, tmp_path, capsys):
    folder = tmp_path / "embeddings"
    folder.mkdir()
    stems = [f"{speaker}{i}" for speaker in ("anna", "bert") for i in range(4)]
    for i, stem in enumerate(stems):
        np.save(folder / f"{stem}.npy", np.full((1, 256), i, np.float64))
    options = ("--valid", "2", "--speaker-embeddings", str(folder))
    assert prepare(source, tmp_path, *options) == 0
    table = read_embeddings(tmp_path / "out" / "speaker_embeddings.npz")
    assert set(table) == set(stems)
    assert all(v.shape == (256,) and v.dtype == np.float32 for v in table.values())
    assert table["bert1"][0] == 5
    assert not (tmp_path / "out" / "emotion_embeddings.npz").exists()
    capsys.readouterr()
    for spoil, message in (
        (lambda p: np.save(p, np.zeros(255)), "differ in width"),
        (lambda p: np.save(p, np.full(256, np.nan)), "anna0.npy must hold one finite vector"),
        (lambda p: np.save(p, np.zeros((2, 256))), "anna0.npy must hold one finite vector"),
        (lambda p: p.write_text("x"), "anna0.npy is not a .npy array"),
        (lambda p: p.unlink(), "no embedding for 1 utterances, e.g. anna0.npy"),
    ):
        spoil(folder / "anna0.npy")
        assert prepare(source, tmp_path, *options) == 2
        assert message in capsys.readouterr().err


def test_embeddings_go_by_unique_names(tmp_path, capsys):
    for speaker in ("anna", "bert"):
        write_wav(tmp_path / "source" / speaker / "1.wav", tone(), RATE)
        (tmp_path / "source" / speaker / "1.txt").write_text(f"I am {speaker}")
    (tmp_path / "e").mkdir()
    np.save(tmp_path / "e" / "1.npy", np.zeros(4))
    assert prepare(tmp_path / "source", tmp_path, "--valid", "1", "--emotion-embeddings", str(tmp_path / "e")) == 2
    assert "have the same name" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["none", "file.txt"])
def test_a_wrong_source_is_one_line_and_exit_code_2(tmp_path, capsys, missing):
    (tmp_path / "file.txt").touch()
    assert prepare(tmp_path / missing, tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and missing in error


def test_nothing_usable_is_an_error(source, tmp_path, capsys):
    assert prepare(source / "bad", tmp_path) == 2
    assert "every utterance was rejected" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--valid", "x"], ["--valid", "-1"], ["--shard", "0/2"], ["--shard", "1"]])
def test_wrong_options_are_refused(source, tmp_path, options):
    with pytest.raises(SystemExit) as ended:
        prepare(source, tmp_path, *options)
    assert ended.value.code == 2


def test_a_generated_corpus_takes_the_same_way(tmp_path, monkeypatch, capsys):
    def generate(args):
        for i in range(args.count):
            wav = args.out / "wavs" / f"{i}.wav"
            write_wav(wav, tone(hz=100 + args.seed), RATE)
            np.savez(
                wav.with_suffix(".labels.npz"), f0=np.full(120, 140.0), frame_rate=80.0, symbols=np.array(["A"]),
                symbol_seconds=np.array([1.5]),
            )  # fmt: skip
        emotions = ("calm", "neutral", "angry")
        rows = [Utterance(f"wavs/{i}.wav", f"Text {i}", "af", emotions[i]) for i in range(args.count)]
        write_filelist(args.out / "train.txt", rows[1:])
        write_filelist(args.out / "valid.txt", rows[:1])

    def add_arguments(parser):
        parser.add_argument("--count", type=int)

    generator = SimpleNamespace(add_arguments=add_arguments, generate=generate)
    monkeypatch.setitem(sys.modules, "data.generator.corpus", generator)
    monkeypatch.setattr(data.generator, "corpus", generator, raising=False)
    monkeypatch.chdir(tmp_path)
    options = ["kokoro", "--out", "corpora/k", "--cache", "cache", "--count", "3", "--seed", "5"]
    assert main(options) == 0
    out = Path("corpora/k")
    assert [u.text for u in read_filelist(out / "train.txt")] == ["Text 1", "Text 2"]
    assert (out / "train.txt").read_text().startswith("wavs/1.wav|")
    assert (out / "speakers.txt").read_text() == "af\n"
    assert (out / "emotions.txt").read_text() == "neutral\nangry\ncalm\n"  # as a model numbers them
    assert "calm" in capsys.readouterr().out
    assert len(list(Path("cache").rglob("*.npz"))) == 1  # three equal files
    with pytest.raises(SystemExit) as ended:  # every machine would generate all of it
        main([*options, "--shard", "1/2"])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and "--shard" in error and error.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_in_one_line_and_goes_on_later(source, tmp_path, capsys, monkeypatch, number):
    made = []

    def stopped_at_the_third(*arguments):
        if len(made) == 2:
            signal.raise_signal(number)
        made.append(arguments)
        return extract(*arguments)

    extract = data.cache.extract
    monkeypatch.setattr(data.cache, "extract", stopped_at_the_third)
    before = signal.getsignal(signal.SIGTERM)
    assert prepare(source, tmp_path, "--valid", "2") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "stopped; the same command resumes with what is missing"
    assert signal.getsignal(signal.SIGTERM) is before
    monkeypatch.setattr(data.cache, "extract", lambda *arguments: (made.append(arguments), extract(*arguments))[1])
    assert prepare(source, tmp_path, "--valid", "2") == 0
    assert len(made) == 9  # eight good files and the silent one, none of them twice


def test_help_lists_every_corpus(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*data.corpora.READERS, "kokoro"))


@pytest.mark.parametrize("name", (*data.corpora.READERS, "kokoro"))
def test_the_help_of_a_corpus_shows_its_layout_and_no_default_that_says_nothing(capsys, name):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert not re.search(r"None|\(0, 1\)|default: *$", shown)
    assert (data.corpora.layout(name) if name in data.corpora.READERS else "Kokoro-82M") in shown
    if name == "folder":
        assert "my_wavs/anna/hello.txt" in shown


def test_a_small_folder_holds_a_tenth_out(source, tmp_path):
    assert prepare(source, tmp_path) == 0
    out = tmp_path / "out"
    assert len(read_filelist(out / "valid.txt")) == 1  # the surplus of its sentence is left out
    assert len(read_filelist(out / "train.txt")) == 6


def test_a_folder_of_one_sentence_cannot_hold_any_out(tmp_path, capsys):
    write_wav(tmp_path / "wavs" / "a.wav", tone(), RATE)
    (tmp_path / "wavs" / "a.txt").write_text("Hello there.")
    assert prepare(tmp_path / "wavs", tmp_path) == 2
    assert "1 utterances of 1 sentences are too few to hold out 1; give a smaller" in capsys.readouterr().err
    assert prepare(tmp_path / "wavs", tmp_path, "--valid", "0") == 0


# --- the split ---------------------------------------------------------------------------------------------------


def test_sentences_are_the_same_whatever_their_case_and_marks():
    assert sentence_key("Don't  STOP, now!") == sentence_key("dont stop - now")
    assert sentence_key("one two") != sentence_key("onetwo")


_utterances = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", "z"]), st.sampled_from([None, None, "test"])),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(rows=_utterances, valid=st.integers(0, 12), seed=st.integers(0, 3))
def test_no_held_out_sentence_is_in_training(rows, valid, seed):
    utterances = [Utterance(f"{i}.wav", text, speaker, split=s) for i, (text, speaker, s) in enumerate(rows)]
    try:
        split = split_by_sentence(utterances, valid, seed)
    except InputError:
        free = {u.text for u in utterances} - {u.text for u in utterances if u.split == "test"}
        assert len(free) <= max(valid, 1)
        return
    held = {u.text for u in (*split.valid, *split.test)}
    assert not held & {u.text for u in split.train}
    assert len(split.valid) <= valid
    parts = [*split.train, *split.valid, *split.test, *split.left_out]
    assert sorted(parts, key=str) == sorted(utterances, key=str)
    assert {u.split for u in split.test} <= {"test"} and "test" not in {u.split for u in split.train}
    again = split_by_sentence(utterances, valid, seed)
    assert again.valid == split.valid


def test_as_many_as_asked_for_are_held_out():
    utterances = [Utterance(f"{i}.wav", f"sentence {i}") for i in range(50)]
    split = split_by_sentence(utterances, 7, seed=0)
    assert len(split.valid) == 7 and len(split.train) == 43 and not split.left_out


@pytest.mark.parametrize(("count", "held"), [(2, 1), (14, 1), (50, 5), (990, 99), (1000, 100), (5000, 100)])
def test_how_many_are_held_out_when_nobody_says(count, held):
    split = split_by_sentence([Utterance(f"{i}.wav", f"sentence {i}") for i in range(count)], None, seed=0)
    assert len(split.valid) == held and len(split.train) == count - held


def test_a_corpus_of_two_statements_holds_one_out():
    utterances = [Utterance(f"{i}.wav", "ab"[i % 2]) for i in range(20)]
    split = split_by_sentence(utterances, 3, seed=0)
    assert len(split.valid) == 3 and len(split.train) == 10 and len(split.left_out) == 7


def test_named_sentences_are_held_out_for_the_test(source, tmp_path):
    (tmp_path / "held_out.txt").write_text("x1|how are you\nx2|Never said.\n")
    assert prepare(source, tmp_path, "--valid", "2", "--held-out", str(tmp_path / "held_out.txt")) == 0
    out = tmp_path / "out"
    parts = {name: [u.text for u in read_filelist(out / f"{name}.txt")] for name in ("train", "valid", "test")}
    assert parts["test"] == ["How are you?"] * 2
    assert "How are you?" not in parts["train"] + parts["valid"]


def test_a_held_out_file_of_another_form_is_one_line(source, tmp_path, capsys):
    (tmp_path / "held_out.txt").write_text("x1|Fine.\nno bar here\n")
    assert prepare(source, tmp_path, "--held-out", str(tmp_path / "held_out.txt")) == 2
    assert "held_out.txt:2" in capsys.readouterr().err


def test_a_corpus_of_which_everything_is_held_out_is_refused():
    everything = [Utterance(f"{i}.wav", text, split="test") for i, text in enumerate("ab")]
    with pytest.raises(InputError, match="nothing is left to train on"):
        split_by_sentence(everything, 0, seed=0)
    with pytest.raises(InputError, match="nothing is left to train on"):
        split_by_sentence([*everything, Utterance("2.wav", "c"), *2 * [Utterance("3.wav", "b")]], 1, seed=0)


def test_a_published_split_is_kept_without_shared_sentences():
    rows = [("a", "train"), ("b", "train"), ("b", "valid"), ("c", "test"), ("c", "train")]
    utterances = [Utterance(f"{i}.wav", text, split=split) for i, (text, split) in enumerate(rows)]
    split = split_published(utterances)
    assert [[u.stem for u in part] for part in (split.train, split.valid, split.test, split.left_out)] == [
        ["0"], ["2"], ["3"], ["1", "4"],
    ]  # fmt: skip
    with pytest.raises(InputError, match="no published split"):
        split_published(utterances[:2])


def test_audio_is_not_changed(source, tmp_path):
    before = {path: path.read_bytes() for path in source.rglob("*.wav")}
    prepare(source, tmp_path, "--valid", "2")
    assert {path: path.read_bytes() for path in source.rglob("*.wav")} == before
    assert soundfile.info(source / "anna" / "anna0.wav").samplerate == RATE


@pytest.mark.parametrize("name", ["test", "summary"])
def test_a_recordings_own_text_is_not_written_over(source, tmp_path, capsys, name):
    out = tmp_path / "out"
    write_wav(out / f"{name}.wav", tone(), RATE)
    (out / f"{name}.txt").write_text("A text of mine.")
    assert prepare(out, tmp_path, "--valid", "0") == 2
    assert f"{name}.txt would be written over; give another --out" in capsys.readouterr().err
    assert (out / f"{name}.txt").read_text() == "A text of mine." and not (out / "train.txt").exists()


def test_what_a_run_does_not_make_is_not_left_from_another(source, tmp_path):
    assert prepare(source, tmp_path, "--valid", "2") == 0
    (tmp_path / "out" / "speaker_embeddings.npz").write_bytes(b"of another run")
    assert prepare(source, tmp_path, "--valid", "0") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "train.txt" in names and not names & {"valid.txt", "test.txt", "speaker_embeddings.npz"}
    assert len(read_filelist(tmp_path / "out" / "train.txt")) == 8
