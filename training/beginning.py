"""What a run starts from: a new model, its own saved state, or the checkpoint of another to fine-tune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from common.errors import InputError
from data.checkpoint_file import read_checkpoint
from data.filelist import Utterance, names_of
from data.model_file import load_checkpoint
from model.checkpoint import Loaded, extend, new_model, rebuilt, unpack
from model.cond_grad_tts import CondGradTTS
from model.distillation import TAUGHT_SAMPLER
from params import Params
from text.front_end import FrontEnd, front_end
from training.overrides import replaceable_in, resolve_params
from training.saving import TrainingState, load, state_path


@dataclass(frozen=True)
class Beginning:
    """The model with what it was made for. state: to resume; is_new: whether nothing was learned yet; teacher: what
    `train.teacher` names.
    """

    model: CondGradTTS
    params: Params
    front_end: FrontEnd
    speakers: list[str]
    emotions: list[str]
    state: TrainingState | None
    is_new: bool
    teacher: CondGradTTS | None = None

    @property
    def log_dir(self) -> Path:
        return Path(self.params.train.log_dir)

    @property
    def step(self) -> int:
        return 0 if self.state is None else self.state.step

    @property
    def names(self) -> dict[str, list[str]]:
        """For the checkpoint."""
        return {"speakers": self.speakers, "emotions": self.emotions, "symbols": list(self.front_end.symbols)}


def begin(
    params: Params,
    utterances: Sequence[Utterance],
    init: str | None = None,
    config: str | None = None,
    overrides: Sequence[str] = (),
) -> Beginning:
    """The run of `params`, which `config` and `overrides` gave; the log folder's state comes before `init`, or before
    the teacher, from which a taught run starts.

    Raises InputError for a state or checkpoint that cannot be used, and for parameters that it does not have.
    """
    log_dir = Path(params.train.log_dir)
    state = load(log_dir)
    teacher = _teacher(params, init, utterances)
    start = teacher if teacher is not None and state is None else _start(init, state, log_dir, utterances)
    if start is None:
        reader = front_end(params.text.front_end, None, params.text.add_blank)
        speakers, emotions = names_of(utterances)
        model = _new_model(params, reader.symbols, speakers, emotions)
        if model.hearing is not None:
            _learn_to_hear(model, params.train.recordings)
        else:
            _check_deaf(params)
        return Beginning(model, params, reader, speakers, emotions, None, True)
    origin = str(log_dir if state is not None else init or params.train.teacher)
    replaceable = replaceable_in(start.params) if state is None and teacher is None else ()
    params = resolve_params(config, overrides, start.params, origin, replaceable)
    reader = front_end(params.text.front_end, start.symbols, params.text.add_blank)
    model = rebuilt(start, params).model
    if model.hearing is None:
        _check_deaf(params)
    teaching = None
    if teacher is not None:
        _check_lesson(params)
        teaching = rebuilt(teacher, params).model
    if state is not None:
        _check_same_teaching(teaching, start, params, log_dir)
    return Beginning(model, params, reader, list(start.speakers), list(start.emotions), state, False, teaching)


def _teacher(params: Params, init: str | None, utterances: Sequence[Utterance]) -> Loaded | None:
    """The checkpoint of `train.teacher`, if there is one."""
    path = params.train.teacher
    if not path:
        return None
    if init is not None:
        raise InputError("a run with train.teacher starts from that checkpoint; leave --init out")
    loaded = load_checkpoint(path)
    if not isinstance(loaded.model, CondGradTTS):
        raise InputError(f"{path} is an official checkpoint, which is taught nothing here; give one of this project")
    unknown = _first_unknown(loaded, utterances)
    if unknown is not None:
        raise InputError(f"{unknown[0].place}: {path} knows no {unknown[1]!r}; give lists of what it was trained on")
    return loaded


def _check_lesson(params: Params) -> None:
    sampler = params.inference.sampler
    if sampler != TAUGHT_SAMPLER:
        raise InputError(
            f"few evaluations are taught to {TAUGHT_SAMPLER} alone, not to {sampler}; set "
            f"inference.sampler={TAUGHT_SAMPLER}"
        )


def _check_same_teaching(teaching: CondGradTTS | None, start: Loaded, params: Params, log_dir: Path) -> None:
    """Raises InputError where a run that is resumed was taught and now is not, or not by this model."""
    if teaching is None:
        if start.params.train.teacher:
            raise InputError(
                f"{log_dir} holds a run taught by {start.params.train.teacher}; give that as train.teacher"
            )
        return
    learned = dict(start.model.named_parameters())
    for name, parameter in teaching.named_parameters():
        frozen = not name.startswith("decoder.")
        if name not in learned or (frozen and not torch.equal(learned[name], parameter)):
            raise InputError(f"{log_dir} holds a run that {params.train.teacher} did not teach; give its own teacher")


def _new_model(params: Params, symbols: Sequence[str], speakers: Sequence[str], emotions: Sequence[str]) -> CondGradTTS:
    try:
        return new_model(params, symbols, speakers, emotions)
    except ValueError as error:
        raise InputError(f"these parameters make no model: {error}") from error


def _check_deaf(params: Params) -> None:
    if params.train.recordings:
        raise InputError(
            "train.recordings is for a model that hears, and style.voice_channels is 0; set that, or leave it out"
        )


def _learn_to_hear(model: CondGradTTS, path: str) -> None:
    if not path:
        raise InputError(
            "style.voice_channels asks for a model that hears: make its networks by python -m training.recordings, and "
            "give their file as train.recordings"
        )
    try:
        model.hearing.load_networks(read_checkpoint(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _start(
    init: str | None, state: TrainingState | None, log_dir: Path, utterances: Sequence[Utterance]
) -> Loaded | None:
    """The model that the run starts from: the state's, else that of --init with what is new, else none."""
    origin = state_path(log_dir) if state is not None else init
    if origin is None:
        return None
    try:
        if state is None:
            loaded = load_checkpoint(init)
            text = loaded.params.text
            return extend(loaded, *names_of(utterances), front_end(text.front_end, None, text.add_blank).symbols)
        loaded = unpack(state.payload, "weights")
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from error
    unknown = _first_unknown(loaded, utterances)
    if unknown is not None:
        raise InputError(
            f"{unknown[0].place}: {log_dir} was trained without {unknown[1]!r}; fine-tune its checkpoint.pt with "
            "--init in another train.log_dir"
        )
    return loaded


def _first_unknown(loaded: Loaded, utterances: Sequence[Utterance]) -> tuple[Utterance, str] | None:
    """The first utterance with a speaker or an emotion that the checkpoint has no name for, and that name."""
    for utterance in utterances:
        for name, known in ((utterance.speaker, loaded.speakers), (utterance.emotion, loaded.emotions)):
            if name not in known:
                return utterance, name
    return None
