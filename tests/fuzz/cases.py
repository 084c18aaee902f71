"""A case: a script, its arguments, and the files that they name, all from one seed."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.audio import read_audio, write_wav
from data.checkpoint_file import read_checkpoint
from data.mel import mel_spectrogram
from model.params_dict import flat_params
from params import Params
from tests.fuzz import odd
from tests.resynthesis import write_run
from tests.test_official_training import arguments as official_arguments
from tests.tiny_corpus import write_corpus
from tests.tiny_synthesiser import VOCODER, voice_like, write_tiny_files
from tests.training_process import arguments

KEYS = list(flat_params(Params()))
STATE = "training_state.pt"
OFFICIAL = ["--config", str(Path(__file__).resolve().parents[2] / "configs" / "official_small.yaml")]


@dataclass(frozen=True)
class World:
    """Files that are in order; no case may change them."""

    folder: Path
    corpus: Path
    checkpoint: Path
    vocoder: Path
    payload: dict[str, Any]
    states: dict[str, dict[str, Any]]  # what runs go on from, by script


@dataclass(frozen=True)
class Case:
    script: str  # a module or a file, without ".py"
    arguments: list[str]


def make_world(folder: Path) -> World:
    folder.mkdir(parents=True, exist_ok=True)
    models = write_tiny_files(folder, "Hello.\n")
    corpus = write_corpus(folder / "corpus")
    for number in range(3):
        write_wav(folder / "source" / "anna" / f"{number}.wav", voice_like(0.7, 120 + 20 * number), 22050)
        (folder / "source" / "anna" / f"{number}.txt").write_text(f"Day {number}.\n")
    write_run(folder / "run", [{"text": "One day.", "audio": {"": voice_like(0.6, 130)}, "speaker": "anna"}])
    vocoder = read_checkpoint(models.vocoder)
    payload, states = read_checkpoint(models.checkpoint), {}
    for script, argv in (
        ("train_multi_speaker", arguments(corpus, folder / "log", steps=1, precision="fp32")),
        ("training.official", [*OFFICIAL, *official_arguments(corpus, folder / "official"), "train.steps=1"]),
    ):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert importlib.import_module(script).main(argv) == 0
        states[script] = read_checkpoint(folder / ("official" if "official" in script else "log") / STATE)
    mels = folder / "mels"
    mels.mkdir()
    for number in range(3):
        audio = read_audio(folder / "source" / "anna" / f"{number}.wav", 22050)
        np.save(mels / f"{number}.npy", mel_spectrogram(audio, Params().audio)[:, : len(audio) // 256])
    return World(folder, corpus, models.checkpoint, models.vocoder, payload, {**states, "vocoder": vocoder})


def make_case(world: World, folder: Path, seed: int) -> Case:
    """Write the case's files to `folder / "given"`; whatever it writes itself belongs in `folder / "out"`."""
    dice = random.Random(seed)
    (folder / "given").mkdir(parents=True)
    kinds = [_speak] * 9 + [_train] * 4 + [_prepare] * 3 + [_evaluate] * 2 + [_export] * 2
    kinds += [_official, _recordings, _vocoder, _solver, _benchmark]
    return dice.choice(kinds)(world, folder, dice)


def _out(folder: Path, dice: random.Random) -> str:
    return str(folder / "out") if dice.random() < 0.93 else odd.no_folder(dice, folder / "given")


def _some(options: dict[str, Callable[[], str]], dice: random.Random, most: int) -> list[str]:
    chosen = dice.sample(list(options), dice.choice([0, 0, 0, *range(1, most + 1)]))
    values = [options[name]() for name in chosen]
    return [f"{name}={value}" if value else name for name, value in zip(chosen, values, strict=True)]


def _speak(world: World, folder: Path, dice: random.Random) -> Case:
    given = folder / "given"

    def reference() -> str:
        return odd.audio_file(given / f"ref{dice.randrange(99)}.wav", dice)

    lines = []
    for _ in range(dice.choice([1, 1, 2, 4])):
        columns = [odd.text(dice)]
        if dice.random() < 0.3:
            columns += [
                dice.choice(["anna", "", odd.text(dice)[:50]]),
                dice.choice(["neutral", "", dice.choice(odd.NAMES)]),
            ]
        if len(columns) == 3 and dice.random() < 0.4:
            columns.append(reference())
        lines.append("|".join(columns))
    if dice.random() < 0.6:
        lines.append("Good day.")
    checkpoint = str(world.checkpoint)
    if dice.random() < 0.35:
        checkpoint = odd.checkpoint_file(given / "c.pt", world.payload, dice)
    options = {
        **dict.fromkeys(("--seed", "--temperature", "--length-scale", "--guidance-scale"), lambda: odd.number(dice)),
        **dict.fromkeys(("--weight", "--cross", "--tal1", "--epoch", "--cross-word"), lambda: odd.number(dice)),
        **dict.fromkeys(("--speaker", "--emotion", "--emotion2", "--speaker2"), lambda: dice.choice(odd.NAMES)),
        "--emotion2": lambda: "angry",
        "--weights": lambda: ",".join(odd.number(dice) for _ in range(3)),
        "--interp": lambda: dice.choice(["linear", "temporal", "frequency", "x"]),
        **dict.fromkeys(("--ref", "--ref2"), reference),
        **dict.fromkeys(("--take", "--take2"), lambda: dice.choice(["voice", "melody", "manner,melody", *odd.NAMES])),
        "--from-a": lambda: dice.choice(["pitch", "voice,energy", "manner", *odd.NAMES]),
        "--solver": lambda: dice.choice(["euler", "ddim", "x", odd.lines_file(given / "solver.json", ["{}"], dice)]),
        "--vocoder": lambda: odd.odd_path(dice, given),
        "--timesteps": lambda: odd.number(dice),
        "--precision": lambda: dice.choice(["fp32", "bf16", "x"]),
        **dict.fromkeys(("--pitch-shift", "--pitch-range", "--speed", "--volume"), lambda: odd.number(dice)),
        "--contour": lambda: odd.lines_file(given / "contour.csv", odd.contour_lines(dice), dice),
        "--lexicon": lambda: odd.lines_file(given / "lexicon.txt", ["hello  HH AH0 L OW1", odd.text(dice)], dice),
        **dict.fromkeys(("--stream", "--strict", "--plots", "--unknown", "--phones", "--list"), lambda: ""),
    }  # fmt: skip
    texts = odd.lines_file(given / "texts.txt", lines, dice)
    fixed = [f"--file={texts}", f"--checkpoint={checkpoint}", f"--out={_out(folder, dice)}", "--device=cpu"]
    vocoder = _odd_vocoder(world, given, dice) if dice.random() < 0.15 else str(world.vocoder)
    argv = [*fixed, f"--vocoder={vocoder}", "--timesteps=1", "--threads=1", *_some(options, dice, 3)]
    return Case("inference", argv)


def _train(world: World, folder: Path, dice: random.Random) -> Case:
    given = folder / "given"
    log = folder / "out" / "log"
    argv = arguments(world.corpus, log, steps=1, precision="fp32", cache_dir=str(folder / "out" / "cache"))
    if dice.random() < 0.5:
        lines = [
            "|".join([str(world.corpus / f"anna{number}.wav"), "One day.", dice.choice(["anna", *odd.NAMES[:12]])])
            for number in range(3)
        ]
        for number in range(dice.randint(1, 3)):
            wav = odd.audio_file(given / f"{number}.wav", dice)
            lines.append("|".join([wav, odd.text(dice), dice.choice(odd.NAMES), dice.choice(odd.NAMES)]))
        argv.append(f"train.train_filelist={odd.lines_file(given / 'list.txt', lines, dice)}")
    for _ in range(dice.choice([0, 0, 1, 2])):
        key = dice.choice(KEYS)
        if key not in ("train.log_dir", "train.cache_dir", "train.steps"):
            argv.append(f"{key}={odd.number(dice)}")
    if dice.random() < 0.2:
        argv += ["--config", odd.yaml_file(given / "config.yaml", KEYS, dice)]
    if dice.random() < 0.25:
        argv += ["--init", odd.checkpoint_file(given / "init.pt", world.payload, dice)]
    if dice.random() < 0.2:
        argv.append(dice.choice(["--strict", "--device", "--device=x", "x", "=", "a=b=c", "train.steps", "\x1b=1"]))
    if dice.random() < 0.2:
        log.mkdir(parents=True)
        odd.torch_file(log / STATE, world.states["train_multi_speaker"], dice)
        argv.append("train.steps=2")
    return Case("train_multi_speaker", argv)


def _odd_vocoder(world: World, given: Path, dice: random.Random) -> str:
    odd.json_file(given / "config.json", VOCODER.to_dict(), dice)
    return odd.torch_file(given / "generator", world.states["vocoder"], dice)


def _official(world: World, folder: Path, dice: random.Random) -> Case:
    log = folder / "out"
    cache = f"train.cache_dir={folder / 'out' / 'cache'}"
    argv = [*OFFICIAL, *official_arguments(world.corpus, log), cache, "train.steps=2"]
    for _ in range(dice.choice([0, 1, 2])):
        key = dice.choice(KEYS)
        if key not in ("train.log_dir", "train.cache_dir", "train.steps"):
            argv.append(f"{key}={odd.number(dice)}")
    if dice.random() < 0.5:
        log.mkdir()
        odd.torch_file(log / STATE, world.states["training.official"], dice)
    return Case("training.official", argv)


def _recordings(world: World, folder: Path, dice: random.Random) -> Case:
    lines = [f"{world.folder / 'source' / 'anna' / '0.wav'}|One day.|anna", "x.wav|x"]
    listed = odd.lines_file(folder / "given" / "list.txt", lines, dice)
    argv = [f"--out={_out(folder, dice)}", f"train.train_filelist={listed}", f"train.cache_dir={folder / 'out'}"]
    options = {"--steps": lambda: odd.number(dice), "--threads": lambda: odd.number(dice), "--unknown": lambda: ""}
    return Case("training.recordings", [*argv, *_some(options, dice, 2)])


def _vocoder(world: World, folder: Path, dice: random.Random) -> Case:
    given = folder / "given"
    mels = given / "mels"
    shutil.copytree(world.folder / "mels", mels)
    if dice.random() < 0.6:
        odd.array_file(mels / f"{dice.randrange(3)}.npy", dice)
    lines = [f"{world.folder / 'source' / 'anna' / f'{number}.wav'}|Day." for number in range(3)]
    if dice.random() < 0.3:
        lines.append(odd.audio_file(given / "3.wav", dice))
    generator = _odd_vocoder(world, given, dice) if dice.random() < 0.4 else str(world.vocoder)
    argv = [
        f"--filelist={odd.lines_file(given / 'list.txt', lines, dice)}",
        f"--mels={mels}",
        f"--out={_out(folder, dice)}",
    ]
    argv += [f"--generator={generator}", "--device=cpu", "--steps=1", "--batch-size=1", "--segment-frames=16"]
    options = {
        **dict.fromkeys(("--steps", "--batch-size", "--segment-frames", "--learning-rate"), lambda: odd.number(dice)),
        **dict.fromkeys(("--warmup-steps", "--save-every", "--seed", "--workers"), lambda: odd.number(dice)),
        "--discriminators": lambda: odd.odd_path(dice, given),
    }
    # One that is not refused learns one step of the smallest networks there are.
    return Case("hifigan.train", [*argv, *_some(options, dice, 2), "--steps=1", "--discriminator-channels=128"])


def _solver(world: World, folder: Path, dice: random.Random) -> Case:
    given = folder / "given"
    checkpoint = odd.checkpoint_file(given / "c.pt", world.payload, dice)
    texts = odd.lines_file(given / "texts.txt", ["Oh.", odd.text(dice)[:60]], dice)
    argv = [f"--checkpoint={checkpoint}", f"--file={texts}", "--timesteps=1", "--reference-steps=4", "--trials=1"]
    options = {
        **dict.fromkeys(("--temperature", "--seed"), lambda: odd.number(dice)),
        "--held-out": lambda: odd.odd_path(dice, given),
        "--unknown": lambda: "",
    }
    name = dice.choice(["a.json", "a_{steps}.json", "a", "x" * 300 + ".json"])
    return Case("synthesis.fit_solver", [*argv, f"--out={folder / 'out' / name}", *_some(options, dice, 2)])


def _benchmark(world: World, folder: Path, dice: random.Random) -> Case:
    given = folder / "given"
    checkpoint = odd.checkpoint_file(given / "c.pt", world.payload, dice)
    options = {
        **dict.fromkeys(("--sentences", "--timesteps", "--temperature", "--seed"), lambda: odd.number(dice)),
        **dict.fromkeys(("--voices", "--words", "--workers", "--pairs", "--repeats"), lambda: odd.number(dice)),
        "--texts": lambda: odd.lines_file(given / "texts.txt", [odd.text(dice)], dice),
        "--reference": lambda: odd.array_file(given / "reference.npz", dice),
    }
    name = dice.choice(["prosody", "default_model", "interpolation"])
    # Of what is in order nothing is left to measure: the reference's voices are none of the model's.
    argv = [f"--checkpoint={checkpoint}", f"--out={_out(folder, dice)}", *_some(options, dice, 3)]
    return Case(f"benchmarks/{name}", argv)


def _prepare(world: World, folder: Path, dice: random.Random) -> Case:
    given = folder / "given"
    source = given / "source"
    shutil.copytree(world.folder / "source", source)
    for number in range(dice.randint(0, 2)):
        odd.audio_file(source / "anna" / f"odd{number}.wav", dice)
        (source / "anna" / f"odd{number}.txt").write_bytes(odd.text(dice).encode("utf-8", "surrogatepass"))
    if dice.random() < 0.3:
        rows = ["0|One day", "1.wav|Two|Two days", "|".join([dice.choice(odd.NAMES), odd.text(dice)]), odd.text(dice)]
        odd.lines_file(source / "metadata.csv", rows, dice)
    if dice.random() < 0.5:
        (source / "anna").rename(source / "wavs")
    options = {
        **dict.fromkeys(
            ("--min-seconds", "--max-seconds", "--seed", "--valid", "--workers"), lambda: odd.number(dice)
        ),
        "--shard": lambda: dice.choice(["0/2", "1/2", "2/2", "x", "-1/3", "0/0"]),
        "--held-out": lambda: odd.lines_file(given / "held.txt", ["a|Day 1.", odd.text(dice)], dice),
        "--speaker-embeddings": lambda: odd.odd_path(dice, given),
        "--unknown": lambda: "",
    }  # fmt: skip
    name = dice.choice(["folder"] * 9 + ["ljspeech", "ljspeech", "vctk", "libritts", "esd", "ravdess", "kathleen", "x"])
    out = str(folder / "out" / "corpus") if dice.random() < 0.9 else odd.no_folder(dice, given)
    where = str(source) if dice.random() < 0.9 else odd.odd_path(dice, given)
    argv = [name, where, f"--out={out}", f"--cache={folder / 'out' / 'cache'}", "--valid=1", *_some(options, dice, 2)]
    return Case("prepare_data", argv)


def _evaluate(world: World, folder: Path, dice: random.Random) -> Case:
    run = folder / "given" / "run"
    shutil.copytree(world.folder / "run", run)
    report = run / "report.json"
    kind = dice.randrange(6)
    if kind == 0:
        report.write_bytes(odd.damaged(report.read_bytes(), dice))
    elif kind == 1:
        report.write_text("[" * 200_000)
    elif kind == 2:
        report.write_bytes(odd.odd_bytes(dice))
    elif kind < 5:
        content = json.loads(report.read_text())
        row = content["results"][0]
        for _ in range(2):
            row[dice.choice([*row, "tokens", "durations", "words", "emotion"])] = odd.odd_value(dice)
        report.write_text(json.dumps(content))
    else:
        odd.audio_file(run / "0000.wav", dice)
    if dice.random() < 0.2:
        np.save(run / "0000_mask.npy", np.zeros(dice.choice([(80, 50), (3,), (1, 1)])))
    options = {
        **dict.fromkeys(("--sentences", "--threads"), lambda: odd.number(dice)),
        "--references": lambda: odd.lines_file(folder / "given" / "refs.txt", [odd.text(dice)], dice),
        "--genders": lambda: odd.lines_file(folder / "given" / "genders.txt", ["anna|f", odd.text(dice)], dice),
        "--baseline": lambda: odd.odd_path(dice, folder / "given"),
        "--carry": lambda: dice.choice(["phones", "dtw", "x"]),
    }
    out = str(folder / "out") if dice.random() < 0.9 else odd.no_folder(dice, folder / "given")
    argv = [str(run), "--asr=none", "--threads=1", f"--cache={folder / 'out' / 'cache'}", f"--out={out}"]
    return Case("evaluate", [*argv, *_some(options, dice, 2)])


def _export(world: World, folder: Path, dice: random.Random) -> Case:
    source = odd.checkpoint_file(folder / "given" / "c.pt", world.payload, dice)
    name = dice.choice(["out.pt", "out.safetensors", "a/b/out.pt", "x" * 300])
    argv = [source, str(folder / "out" / name)]
    if dice.random() < 0.4:
        argv.append(f"--inference={dice.choice(['steps', 'temperature', 'x', ''])}={odd.number(dice)}")
    return Case("training.export", argv)
