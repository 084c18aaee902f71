"""A model that hears: voices and manners of recordings in the place of names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import InputError
from data.audio import write_wav
from data.batching import collate
from data.checkpoint_file import read_checkpoint, write_checkpoint
from data.filelist import names_of, read_filelist
from data.pitch import extract_f0
from model.checkpoint import extend, pack, unpack, with_names
from model.cond_grad_tts import CondGradTTS
from model.cond_text_encoder import LOUDNESS
from model.hearing import Hearing
from model.interpolation import Linear, SameTime
from model.interpolation.plan import Measured, Reading, interpolate
from model.manner import MANNER, energy_of_mel, lacking_energy, level_of_energy, level_of_mel
from model.randomness import BatchShare, drawing_for
from model.style import StyleSource
from model.text_to_mel import Sampling, Synthesis
from synthesis import add_voice, load_model
from synthesis.parts import PARTS, parts_taken
from synthesis.reference import manner_of, read_reference, voice_of
from synthesis.synthesiser import Synthesiser
from text.front_end import front_end
from text.symbols import SYMBOLS
from training import hearing as ears
from training.beginning import begin
from training.corpus import build_cache, make_dataset, read_filelists
from training.export import main as export
from training.statistics import _steadied, set_voices
from training.style_batch import LEVEL_DB, at_other_levels, style_of_batch

from .official_weights import random_state
from .test_trainer import datasets, trainer_of
from .tiny_corpus import training_params, write_corpus
from .tiny_synthesiser import (
    EMOTIONS,
    SPEAKERS,
    tiny_loaded,
    tiny_model,
    tiny_vocoder,
    voice_like,
    write_tiny_checkpoint,
)

ROOT = Path(__file__).resolve().parents[1]
IDS, LENGTHS = torch.randint(1, 60, (1, 12), generator=torch.Generator().manual_seed(3)), torch.tensor([12])


@pytest.fixture(scope="module")
def loaded():
    return tiny_loaded(voice_channels=8)


@pytest.fixture(scope="module")
def box(loaded) -> Synthesiser:
    return Synthesiser(loaded, tiny_vocoder(), torch.device("cpu"))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recordings") / "somebody.wav"
    write_wav(path, voice_like(1.5, 130), 22050)
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def by_id(speaker: int = 1, emotion: int = 0) -> StyleSource:
    return StyleSource(speaker=torch.tensor([speaker]), emotion=torch.tensor([emotion]))


# ------------------------------------------------------------------------ names


def test_a_name_is_the_vectors_that_it_stands_for(loaded):
    model = loaded.model
    vectors = StyleSource(speaker=model.hearing.voices[[1]], emotion=model.hearing.manners[[1], [0]])
    for given in (by_id(), replace(by_id(), speaker=vectors.speaker, emotion=vectors.emotion)):
        assert torch.equal(model.encode(IDS, LENGTHS, given).mu, model.encode(IDS, LENGTHS, vectors).mu)
    # The timbre of a name is its default reference; of a vector it is unknown.
    named, of_vectors = (
        model.synthesise(IDS, LENGTHS, style, Sampling(2, generator=torch.Generator().manual_seed(0))).mel
        for style in (replace(by_id(), known={"timbre": torch.tensor([False])}), vectors)
    )
    torch.testing.assert_close(named, of_vectors, atol=1e-4, rtol=1e-4)


def test_an_emotion_beside_a_recordings_voice_is_the_usual_one(loaded):
    hearing = loaded.model.hearing
    style = hearing.named(StyleSource(speaker=torch.randn(1, 8), emotion=torch.tensor([1])))
    assert torch.equal(style.emotion, hearing.usual_manners[[1]])
    assert torch.equal(hearing.named(by_id(2, 1)).emotion, hearing.manners[[2], [1]])


def test_mu_reads_the_level_and_the_effort_of_a_manner_and_nothing_of_its_f0(loaded):
    model = loaded.model
    base = model.encode(IDS, LENGTHS, by_id())
    manner = model.hearing.manners[[1], [0]]
    for i, name in enumerate(MANNER):
        moved = manner.clone()
        moved[0, i] += 1
        text = model.encode(IDS, LENGTHS, replace(by_id(), emotion=moved))
        assert torch.equal(text.mu, base.mu) == (name not in ("level", "effort")), name
        assert not torch.equal(text.log_f0, base.log_f0), name


def test_the_frames_of_a_text_have_the_range_and_the_level_of_its_manner(loaded):
    model = loaded.model
    text = model.encode(IDS, LENGTHS, by_id())
    text = replace(text, voicing=torch.ones_like(text.voicing), log_f0=torch.linspace(-1, 1, 12)[None])
    asked = replace(text.manner, f0_range=torch.tensor([0.2]), level=torch.tensor([-2.0]))
    frames = model.spread(replace(text, manner=asked))
    mean, std = model.energy_statistics
    found = model.hearing.measured(
        torch.zeros(1, 80, frames.mask.shape[2]), frames.log_f0, frames.voicing, frames.energy * std + mean,
        frames.lengths, torch.ones(1),
    )  # fmt: skip
    torch.testing.assert_close(found.f0_range, asked.f0_range)
    torch.testing.assert_close(found.level, asked.level)


def test_a_predicted_energy_is_marked_as_one(loaded):
    model = tiny_model(voice_channels=8)
    text = model.encode(IDS, LENGTHS, by_id())
    frames = model.spread(text)
    completed = model.complete(by_id(), frames)
    assert completed.energy_predicted.tolist() == [True]
    given = replace(completed, energy_predicted=None)
    model.style.energy_guess.data.zero_()
    energies = [model.tokens(style, 1).types["energy"].tokens for style in (completed, given)]
    assert torch.equal(*energies)  # nothing has been learned of it
    model.style.energy_guess.data.fill_(0.5)
    marked = model.tokens(completed, 1).types
    torch.testing.assert_close(marked["energy"].tokens, energies[0] + 0.5)
    unmarked = model.tokens(given, 1).types
    assert torch.equal(unmarked["energy"].tokens, energies[0])
    assert all(torch.equal(marked[name].tokens, unmarked[name].tokens) for name in marked if name != "energy")


def test_names_can_be_left_out_and_others_come(loaded):
    fewer = with_names(loaded, [SPEAKERS[2], SPEAKERS[0]], [EMOTIONS[1]])
    assert fewer.speakers == (SPEAKERS[2], SPEAKERS[0]) and fewer.emotions == (EMOTIONS[1],)
    for new, old in ((0, 2), (1, 0)):
        mine, theirs = fewer.model.synthesise, loaded.model.synthesise
        made = [
            speak(IDS, LENGTHS, by_id(*ids), Sampling(2, generator=torch.Generator().manual_seed(0))).mel
            for speak, ids in ((mine, (new, 0)), (theirs, (old, 1)))
        ]
        assert torch.equal(*made)
    more = extend(loaded, ["x"], ["varied"], SYMBOLS)
    assert torch.equal(more.model.hearing.voices[: len(SPEAKERS)], loaded.model.hearing.voices)
    assert torch.equal(more.model.hearing.manners[: len(SPEAKERS), : len(EMOTIONS)], loaded.model.hearing.manners)
    with pytest.raises(ValueError, match="no speaker 'nobody'"):
        with_names(loaded, ["nobody"], None)
    with pytest.raises(ValueError, match="can forget names"):
        with_names(tiny_loaded(), SPEAKERS[:1], None)


def test_the_exported_file_has_the_names_that_are_asked_for(loaded, tmp_path):
    names = {"speakers": loaded.speakers, "emotions": loaded.emotions, "symbols": loaded.symbols}
    write_checkpoint(tmp_path / "all.pt", pack(loaded.model, step=1, **names))
    few, out = SPEAKERS[1], tmp_path / "few.pt"
    assert export([str(tmp_path / "all.pt"), str(out), "--speakers", few, "--emotions", EMOTIONS[0]]) == 0
    assert unpack(read_checkpoint(out)).speakers == (few,)
    for wrong in ("nobody", "", f"{few},{few}"):
        assert export([str(tmp_path / "all.pt"), str(out), "--speakers", wrong]) == 2


def test_a_voice_is_added_from_recordings(loaded, recording, tmp_path, capsys):
    names = {"speakers": loaded.speakers, "emotions": loaded.emotions, "symbols": loaded.symbols}
    write_checkpoint(tmp_path / "all.pt", pack(loaded.model, step=1, **names))
    given = [str(tmp_path / "all.pt"), str(tmp_path / "more.pt"), str(recording), "--name"]
    assert add_voice.main([*given, "carla"]) == 0
    assert f"warning: {recording}: " in capsys.readouterr().err  # it lasts 1.5 s
    more = unpack(read_checkpoint(tmp_path / "more.pt"))
    assert more.speakers == (*SPEAKERS, "carla")
    reference = read_reference(recording, loaded.params.audio)
    voice = voice_of([reference], loaded.model.hearing)
    style = more.model.hearing.named(by_id(3, EMOTIONS.index("neutral")))
    assert torch.equal(style.speaker, voice)
    torch.testing.assert_close(style.emotion, manner_of([reference], loaded.model.hearing, voice))
    assert int(more.model.default_reference_lengths[3]) == reference.mel.shape[1]
    for name in (SPEAKERS[0], "a|b", " ", " carla"):
        assert add_voice.main([*given, name]) == 2
    write_checkpoint(tmp_path / "table.pt", pack(tiny_model(), step=1, **names))
    assert add_voice.main([str(tmp_path / "table.pt"), *given[1:], "carla"]) == 2


# -------------------------------------------------------------------- measuring


def test_the_f0_of_a_style_is_what_was_measured(loaded, recording):
    reference = read_reference(recording, loaded.params.audio)
    hearing = loaded.model.hearing
    voice = voice_of([reference], hearing)
    style = StyleSource(speaker=voice, emotion=manner_of([reference], hearing, voice))
    own = reference.log_f0[reference.voicing > 0].median()
    hearing.manner_mean[0] = 0.0
    assert hearing.usual_log_f0(style)[0] == pytest.approx(float(own), abs=0.02)


def test_the_gain_of_a_recording_is_its_level_and_nothing_of_its_voice(loaded):
    hearing = loaded.model.hearing
    hiss = 0.003 * np.random.default_rng(0).standard_normal(round(1.5 * 22050)).astype(np.float32)
    audio = voice_like(1.5, 130) + hiss  # far above the floor of mels
    loud, soft = (read_reference((gain * audio, 22050), loaded.params.audio) for gain in (1.0, 0.25))
    voices = [voice_of([reference], hearing) for reference in (loud, soft)]
    torch.testing.assert_close(*voices, atol=0.02, rtol=0)
    manners = [manner_of([reference], hearing, voices[0])[0] for reference in (loud, soft)]
    difference = (manners[1] - manners[0]) * hearing.manner_std
    level = MANNER.index("level")
    assert float(difference[level]) == pytest.approx(np.log(0.25), abs=0.02)
    others = torch.tensor([i for i in range(len(MANNER)) if i != level])
    assert difference[others].abs().max() < 0.05


def test_several_recordings_of_a_person_give_their_mean(loaded, recording):
    hearing = loaded.model.hearing
    reference = read_reference(recording, loaded.params.audio)
    torch.testing.assert_close(voice_of([reference] * 3, hearing), voice_of([reference], hearing))


# ---------------------------------------------------------------------- speaking


@pytest.mark.parametrize(
    ("take", "speaker", "emotion", "expected"),
    [
        (None, False, False, PARTS),
        (None, True, False, ("manner", "melody")),
        (None, False, True, ("voice", "melody")),
        (None, True, True, ("melody",)),
        (("voice",), False, True, ("voice",)),
        (("manner", "melody"), True, False, ("manner", "melody")),
    ],
)
def test_what_is_given_by_name_wins_over_the_recording(take, speaker, emotion, expected):
    assert parts_taken(take, speaker, emotion, hears=True) == frozenset(expected)


@pytest.mark.parametrize(
    ("take", "speaker", "hears", "words"),
    [
        (("face",), False, True, "no 'face' to take"),
        (("voice",), True, True, "the speaker is given too"),
        (("voice",), False, False, "hears no voice"),
    ],
)
def test_what_cannot_be_taken_is_said_in_a_line(take, speaker, hears, words):
    with pytest.raises(InputError, match=words) as error:
        parts_taken(take, speaker, False, hears)
    assert "\n" not in str(error.value)


def test_each_part_of_a_recording_changes_what_is_spoken(box, recording):
    def spoken(**given) -> np.ndarray:
        return box.synthesise("Hello there.", steps=2, **given)[0]

    results = [spoken(), *(spoken(ref=recording, take=[part]) for part in PARTS), spoken(ref=recording)]
    for i, one in enumerate(results):
        for other in results[:i]:
            assert one.mel.shape != other.mel.shape or not np.allclose(one.mel, other.mel)
    assert results[1].speaker == results[-1].speaker == "somebody" and results[2].speaker == SPEAKERS[0]
    assert results[-1].emotion == "somebody"
    named = spoken(speaker=SPEAKERS[1], ref=recording)
    assert named.speaker == SPEAKERS[1] and named.emotion == "somebody"


def test_a_melody_moves_to_the_register_of_the_voice_that_sings_it(box, recording, monkeypatch):
    styles = []
    decode = box.model.decode

    def watched(frames, style, *rest):
        styles.append(style)
        return decode(frames, style, *rest)

    monkeypatch.setattr(box.model, "decode", watched)
    (request,) = box.requests(["Hello there."], SPEAKERS[1], None, recording)
    own = request.reference.log_f0[request.reference.voicing > 0].median()
    box.synthesise("Hello there.", speaker=SPEAKERS[1], ref=recording, steps=2)
    box.synthesise("Hello there.", ref=recording, steps=2)
    moved, original = (style.log_f0[0, : int(style.contour_lengths[0])] for style in styles)
    expected = box.model.hearing.usual_log_f0(styles[0])[0]
    assert len(moved) != len(original) or not torch.allclose(moved, original)
    assert float((moved - expected).median()) == pytest.approx(0.0, abs=0.15)
    assert float((original - own).median()) == pytest.approx(0.0, abs=0.15)


# ----------------------------------------------------------------------- training


def hearing_params(folder, log_dir, **train):
    params = training_params(folder, log_dir, **train)
    return replace(params, style=replace(params.style, voice_channels=8))


def networks(params, seed: int = 0) -> dict:
    torch.manual_seed(seed)
    model = Hearing(params.audio, 8, 1, 1)
    return {"voice": model.voice.state_dict(), "rate": model.rate.state_dict()}


def test_the_labels_know_how_far_a_level_was_moved(corpus, tmp_path):
    params = hearing_params(corpus, tmp_path)
    dataset, _ = datasets(params)
    batch = collate([dataset[i] for i in range(4)])
    batch = replace(batch, mel=batch.mel.clamp(min=-5))  # far enough above the floor
    model = tiny_model(voice_channels=8)
    moved = at_other_levels(batch, torch.Generator().manual_seed(2))
    decibels = (moved.energy - batch.energy)[:, 5] * 20 / np.log(10)
    assert 0 < (decibels != 0).sum() < 4 and decibels.abs().max() <= LEVEL_DB
    before, after = (style_of_batch(model, each).emotion for each in (batch, moved))
    change = ((after - before) * model.hearing.manner_std)[:, MANNER.index("level")]
    torch.testing.assert_close(change, decibels / 20 * np.log(10), atol=1e-4, rtol=1e-4)


def test_an_item_hears_the_same_in_a_batch_and_alone(corpus, tmp_path):
    dataset, _ = datasets(hearing_params(corpus, tmp_path))
    model = tiny_model(voice_channels=8)
    together = style_of_batch(model, collate([dataset[i] for i in range(3)]))
    for i in range(3):
        alone = style_of_batch(model, collate([dataset[i]]))
        torch.testing.assert_close(together.speaker[i], alone.speaker[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.emotion[i], alone.emotion[0], atol=1e-4, rtol=1e-4)


def test_a_share_of_a_batch_hears_what_the_whole_batch_hears(corpus, tmp_path):
    """Through the same microphones, in any number of processes."""
    dataset, _ = datasets(hearing_params(corpus, tmp_path))
    model = tiny_model(voice_channels=8)
    whole = style_of_batch(model, collate([dataset[i] for i in range(4)]), None, torch.Generator().manual_seed(5))
    for rows in ((0, 2), (1, 3)):
        with drawing_for(BatchShare(4, rows)):
            batch = collate([dataset[i] for i in rows])
            share = style_of_batch(model, batch, None, torch.Generator().manual_seed(5))
        torch.testing.assert_close(share.speaker, whole.speaker[list(rows)], atol=1e-5, rtol=1e-5)


def test_a_new_model_that_hears_needs_its_networks(corpus, tmp_path):
    params = hearing_params(corpus, tmp_path / "log")
    utterances = [utterance for each in read_filelists(params) for utterance in each]
    with pytest.raises(InputError, match="python -m training"):
        begin(params, utterances)
    write_checkpoint(tmp_path / "recordings.pt", networks(params))
    params = replace(params, train=replace(params.train, recordings=str(tmp_path / "recordings.pt")))
    model = begin(params, utterances).model
    assert torch.equal(model.hearing.voice.outlet.bias, networks(params)["voice"]["outlet.bias"])
    write_checkpoint(tmp_path / "recordings.pt", {"voice": {}})
    with pytest.raises(InputError, match="not the networks"):
        begin(params, utterances)
    with pytest.raises(InputError, match=r"style\.voice_channels is 0"):
        begin(replace(params, style=replace(params.style, voice_channels=0)), utterances)


def test_what_hears_does_not_learn_with_the_rest(corpus, tmp_path):
    params = hearing_params(corpus, tmp_path, steps=2, encoder_steps=0)
    trainer = trainer_of(params)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    for name, value in trainer.model.state_dict().items():
        if name.startswith("hearing."):
            assert torch.equal(value, before[name]), name
    assert not torch.equal(trainer.model.encoder.speaker.weight, before["encoder.speaker.weight"])


def test_half_of_what_is_learned_from_has_the_energy_that_its_text_leads_to_expect(corpus, tmp_path, monkeypatch):
    trainer = trainer_of(hearing_params(corpus, tmp_path, steps=6, encoder_steps=0))
    model, styles = trainer.model, []
    monkeypatch.setattr(
        model, "tokens", lambda style, size: styles.append(style) or CondGradTTS.tokens(model, style, size)
    )
    trainer.run()
    predicted = torch.cat([style.energy_predicted for style in styles if style.energy_predicted is not None])
    assert 0.2 < predicted.float().mean() < 0.8
    assert not torch.equal(model.style.energy_guess, torch.zeros_like(model.style.energy_guess))


def test_a_checkpoint_gets_ears_and_its_names_sound_as_before(corpus, tmp_path):
    params = training_params(corpus, tmp_path / "log")
    speakers, emotions = names_of(read_filelists(params)[0])
    model = tiny_model()
    small = replace(params, encoder=model.params.encoder, style=model.params.style, estimator=model.params.estimator)
    table = CondGradTTS(small, len(SYMBOLS), len(speakers), len(emotions))
    names = {"speakers": speakers, "emotions": emotions, "symbols": SYMBOLS}
    write_checkpoint(tmp_path / "table.pt", pack(table, step=1, **names))
    write_checkpoint(tmp_path / "recordings.pt", networks(small))
    train = [
        f"train.{name}={getattr(params.train, name)}" for name in ("train_filelist", "valid_filelist", "cache_dir")
    ]
    paths = [str(tmp_path / name) for name in ("table.pt", "recordings.pt")]
    assert ears.main([*paths, "-o", str(tmp_path / "start.pt"), *train]) == 0
    heard = unpack(read_checkpoint(tmp_path / "start.pt"))
    assert heard.params.style.voice_channels == 8 and list(heard.speakers) == speakers
    assert heard.model.hearing.voices.norm(dim=1).tolist() == pytest.approx([1.0] * len(speakers))
    inside = heard.model.encoder.speaker(heard.model.hearing.voices).detach()
    rows = table.encoder.speaker.weight.detach()
    assert float((inside - rows).norm() / (rows - rows.mean(0)).norm()) < 0.3

    # Other ears for it: what its maps make of a name stays, and a manner is read as before.
    with torch.no_grad():
        heard.model.encoder.loudness.weight.normal_(generator=torch.Generator().manual_seed(4))
    heard.model.hearing.manner_mean.add_(0.3)  # as of another corpus
    heard.model.hearing.manner_std.mul_(1.4)
    write_checkpoint(tmp_path / "start.pt", pack(heard.model, step=1, **names))
    write_checkpoint(tmp_path / "others.pt", networks(small, seed=1))
    again = [str(tmp_path / name) for name in ("start.pt", "others.pt")]
    assert ears.main([*again, "-o", str(tmp_path / "again.pt"), *train]) == 0
    other = unpack(read_checkpoint(tmp_path / "again.pt")).model
    assert not torch.equal(other.hearing.voices, heard.model.hearing.voices)
    manner = torch.linspace(-1, 1, len(MANNER))  # as it is measured

    def who(model: CondGradTTS) -> torch.Tensor:
        loudness = ((manner - model.hearing.manner_mean) / model.hearing.manner_std)[LOUDNESS]
        return (model.encoder.speaker(model.hearing.voices) + model.encoder.loudness(loudness)).detach()

    assert float((who(other) - who(heard.model)).norm() / (inside - inside.mean(0)).norm()) < 0.3
    for name in ("duration_emotion", "contour_emotion"):
        old, new = (
            getattr(model.encoder, name)((manner - model.hearing.manner_mean) / model.hearing.manner_std)
            for model in (heard.model, other)
        )
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_a_table_of_one_name_becomes_a_bias():
    linear = torch.nn.Linear(4, 3)
    with torch.no_grad():
        ears._fit(linear, torch.ones(1, 4), torch.tensor([[1.0, 2.0, 3.0]]))
    assert torch.equal(linear(torch.randn(5, 4) * 0 + 1), torch.tensor([[1.0, 2.0, 3.0]]).expand(5, 3))
    assert not linear.weight.any()


def test_what_cannot_get_ears_is_refused_before_anything_is_computed(tmp_path, capsys):
    write_checkpoint(tmp_path / "recordings.pt", {"voice": {}})
    torch.save(random_state(3, 3), tmp_path / "official.pt")
    write_tiny_checkpoint(tmp_path / "embeddings.pt", speaker_embedding_dim=4)
    write_tiny_checkpoint(tmp_path / "tables.pt")
    for name, words in (
        ("official.pt", "official checkpoint"), ("embeddings.pt", "embeddings from files"),
        ("tables.pt", "recordings.pt: the networks"),
    ):  # fmt: skip
        given = [str(tmp_path / name), str(tmp_path / "recordings.pt"), "-o", str(tmp_path / "out.pt")]
        assert ears.main(given) == 2 and words in capsys.readouterr().err
    assert ears.main([*given, "encoder.channels=64"]) == 2 and "encoder.channels" in capsys.readouterr().err


def test_fine_tuning_leaves_what_is_known_and_finds_what_is_new(corpus, tmp_path):
    """A corpus of one emotion and one new speaker, to a model that knows two speakers and another emotion."""
    params = hearing_params(corpus, tmp_path)
    training = [replace(one, speaker=SPEAKERS[-1], emotion="neutral") for one in read_filelists(params)[0]]
    dataset = make_dataset(
        "", training, build_cache(params, training), front_end("arpabet"), SPEAKERS, EMOTIONS, params
    )
    model, new, (other, neutral) = tiny_model(voice_channels=8), len(SPEAKERS) - 1, (0, 1)
    hearing = model.hearing
    hearing.voices[new], hearing.manners[new] = 0.0, 0.0
    before = {name: getattr(hearing, name).clone() for name in ("voices", "manners", "usual_manners", "manner_mean")}
    set_voices(model, dataset, 0, anew=False)
    for name in ("voices", "manners"):
        assert torch.equal(getattr(hearing, name)[:new], before[name][:new])
    for name in ("usual_manners", "manner_mean"):
        assert torch.equal(getattr(hearing, name), before[name])
    assert float(hearing.voices[new].norm()) == pytest.approx(1) and hearing.manners[new, neutral].any()
    as_usual = hearing.manners[new] - hearing.usual_manners
    torch.testing.assert_close(as_usual[other], as_usual[neutral])


@pytest.mark.parametrize(
    ("apart", "emotions", "most"), [(0.0, 5, 0.2), (1.0, 5, 0.75), (4.0, 5, 0.95), (4.0, 2, 1.0), (100.0, 2, 1.01)]
)
def test_manners_are_steadied_by_as_much_as_chance_explains(apart: float, emotions: int, most: float) -> None:
    """Speakers differ in the effect of an emotion by `apart` times the variance that chance gives a mean: the error of
    a difference between two emotions, as a share of that of plain means.
    """
    generator = torch.Generator().manual_seed(0)
    sentences, errors, plain_errors = 25, 0.0, 0.0

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, 6, generator=generator)

    for _ in range(20):
        effect = normal(1, emotions) + (apart / sentences) ** 0.5 * normal(9, emotions)
        cells = {(s, e): 3 * s + effect[s, e] + normal(sentences) for s in range(9) for e in range(emotions)}
        plain = torch.stack([torch.stack([cells[s, e].mean(0) for e in range(emotions)]) for s in range(9)])
        found = _steadied(cells, plain.mean(0))
        stored = torch.stack([torch.stack([found[s, e] for e in range(emotions)]) for s in range(9)])
        true, *ways = (x[:, 1] - x[:, 0] for x in (effect, plain, stored))
        plain_error, error = (float((way - true).square().mean()) for way in ways)
        plain_errors, errors = plain_errors + plain_error, errors + error
    assert errors < most * plain_errors


def test_a_manner_that_was_heard_alone_is_as_it_was_heard():
    alone = {(0, 1): torch.randn(5, 6), (2, 0): torch.randn(1, 6)}
    for cell, manner in _steadied(alone, torch.randn(2, 6)).items():
        torch.testing.assert_close(manner, alone[cell].mean(0))


def test_what_is_spoken_has_the_level_of_its_manner(loaded):
    """In a batch as alone; a style that has an energy keeps its own."""
    model = tiny_model(voice_channels=8)
    text = model.encode(IDS.expand(2, -1), torch.tensor([12, 7]), StyleSource(*(torch.tensor([1, 0]),) * 2))
    text = replace(text, manner=replace(text.manner, level=torch.tensor([-1.0, -4.0])))
    style = StyleSource(speaker=model.hearing.voices[:2], emotion=model.hearing.usual_manners[:2])
    frames, sampling = model.spread(text), Sampling(2, generator=torch.Generator().manual_seed(0))
    spoken = model.decode(frames, style, sampling)
    torch.testing.assert_close(level_of_mel(spoken.mel, spoken.lengths), torch.tensor([-1.0, -4.0]))
    given = model.complete(style, frames)
    sampling.generator.manual_seed(0)
    as_it_comes = model.decode(frames, replace(given, energy=given.energy + 0.5), sampling)
    assert (level_of_mel(as_it_comes.mel, as_it_comes.lengths) - torch.tensor([-1.0, -4.0])).abs().min() > 1e-3


def test_what_a_mel_lacks_of_an_energy_is_bounded_and_a_pause_keeps_its_noise():
    mel = torch.randn(1, 80, 30, generator=torch.Generator().manual_seed(0))
    mel[:, :, 10:20] -= 10  # a pause
    own, lengths = energy_of_mel(mel), torch.tensor([28])
    torch.testing.assert_close(lacking_energy(mel, own, lengths), torch.zeros(1, 30))
    louder = lacking_energy(mel, own + 0.5, lengths)
    torch.testing.assert_close(louder[:, 3:7], torch.full((1, 4), 0.5))
    assert float(louder[:, 13:17].abs().max()) == 0 and float(louder[:, 28:].abs().max()) == 0
    assert float(lacking_energy(mel, own + 50, lengths).max()) == pytest.approx(1.4)


def test_a_given_energy_is_followed_frame_by_frame():
    model = tiny_model(voice_channels=8)
    style = StyleSource(speaker=model.hearing.voices[:2], emotion=model.hearing.usual_manners[:2])
    frames = model.spread(model.encode(IDS.expand(2, -1), torch.tensor([12, 7]), style))

    def spoken(style: StyleSource) -> Synthesis:
        return model.decode(frames, style, Sampling(2, generator=torch.Generator().manual_seed(0)))

    own = energy_of_mel(spoken(model.complete(style, frames)).mel)  # (B, T)
    asked = own + 0.3 * torch.linspace(-1, 1, own.shape[1])  # all of it within what is heard
    given = replace(style, energy=model.normalise_energy(asked), contour_lengths=frames.lengths)
    found = spoken(given)
    as_it_comes = spoken(replace(given, energy_predicted=torch.ones(2, dtype=torch.bool)))
    for item, length in enumerate(frames.lengths):
        inside = slice(3, int(length) - 3)
        off = (energy_of_mel(found.mel)[item] - asked[item])[inside].abs()
        before = (energy_of_mel(as_it_comes.mel)[item] - asked[item])[inside].abs()
        assert float(off.mean()) < 0.7 * float(before.mean())
    assert model.loudness(replace(given, contour_lengths=frames.lengths - 1), frames) is None
    dropped = replace(given, known={"energy": torch.tensor([True, False])})
    torch.testing.assert_close(spoken(dropped).mel[:1], found.mel[:1])
    assert model.loudness(dropped, frames)[1].isnan().all()


def test_the_level_between_two_styles_is_that_of_the_energy(loaded):
    model = tiny_model(voice_channels=8)
    a, b = (
        Reading(replace(text, manner=replace(text.manner, level=torch.tensor([level]))), style, measured)
        for style, level in ((by_id(1), -1.0), (by_id(0), -3.0))
        for text in (model.encode(IDS, LENGTHS, style),)
        for measured in (Measured(*(torch.ones(12),) * 4, formants=lambda: None),)
    )
    for kind, level in (
        (Linear(weight=1.0), -1.0),
        (Linear(weight=0.25), None),
        (SameTime(), -3.0),
        (SameTime(from_a="pitch,energy"), -1.0),
    ):
        done = interpolate(model, kind, a, b, Sampling(2))
        if level is None:
            mean, std = model.energy_statistics
            level = float(level_of_energy(done.plan.frames.energy * std + mean, done.plan.frames.lengths))
            assert level == pytest.approx(-2.5, abs=0.5)
        assert float(level_of_mel(done.synthesis.mel, done.synthesis.lengths)) == pytest.approx(level, abs=1e-3), kind
    given = replace(a, style=model.complete(a.style, model.spread(a.text)), measured=None)
    done = interpolate(model, Linear(weight=1.0), given, b, Sampling(2, generator=torch.Generator().manual_seed(0)))
    alone = model.decode(model.spread(a.text), given.style, Sampling(2, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(done.synthesis.mel, alone.mel, atol=1e-3, rtol=1e-3)


# ------------------------------------------------------------------- what ships


def test_the_default_model_speaks_in_the_register_of_whom_it_hears():
    box = load_model(ROOT / "checkpts" / "default.pt")
    assert box.hears
    of_speaker = {line.speaker: line.wav for line in read_filelist(ROOT / "resources/filelists/tiny_valid.txt")}
    medians = {}
    for name in ("af_kore", "am_michael"):
        (spoken,) = box.synthesise("The evening light lies on the bay.", ref=of_speaker[name], take=("voice",))
        f0 = extract_f0(spoken.audio, box.params.audio)
        medians[name] = np.median(f0[f0 > 0])
    assert medians["af_kore"] > 1.1 * medians["am_michael"]
