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
from params import Params
from text.front_end import FrontEnd, front_end
from training.overrides import STYLE_KIND, resolve_params
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
    """The run of `params`, which `config` and `overrides` gave; the log folder's state comes before `init`.

    Raises InputError for a state or checkpoint that cannot be used, and for parameters that it does not have.
    """
    log_dir = Path(params.train.log_dir)
    state = load(log_dir)
    teacher = _teacher(params.train.teacher, init, utterances)
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
    replaceable = (STYLE_KIND,) if state is None and teacher is None else ()
    params = resolve_params(config, overrides, start.params, origin, replaceable)
    reader = front_end(params.text.front_end, start.symbols, params.text.add_blank)
    model = rebuilt(start, params).model
    if model.hearing is None:
        _check_deaf(params)
    teaching = None if teacher is None else _teaching(teacher, model, params, log_dir)
    return Beginning(model, params, reader, list(start.speakers), list(start.emotions), state, False, teaching)


def _teacher(path: str, init: str | None, utterances: Sequence[Utterance]) -> Loaded | None:
    """The checkpoint of `train.teacher`, if there is one, with the names of the corpus."""
    if not path:
        return None
    if init is not None:
        raise InputError("a run with train.teacher starts from that checkpoint; leave --init out")
    found = _extended(path, utterances)
    if not isinstance(found.model, CondGradTTS):
        raise InputError(f"{path} is an official checkpoint, which is taught nothing here; give one of this project")
    return found


def _teaching(teacher: Loaded, student: CondGradTTS, params: Params, log_dir: Path) -> CondGradTTS:
    """The teacher as a model of its own. Raises InputError if it is not the one that the student began as."""
    found = rebuilt(teacher, params).model
    learned = dict(student.named_parameters())
    for name, parameter in found.named_parameters():
        other = learned.get(name)
        same = other is not None and other.shape == parameter.shape
        if not same or not (name.startswith("decoder.") or torch.equal(other, parameter)):
            raise InputError(f"{log_dir} holds a run that {params.train.teacher} did not teach; give its own teacher")
    return found


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
    if state is None:
        return _extended(init, utterances)
    try:
        loaded = unpack(state.payload, "weights")
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from error
    for utterance in utterances:
        for name, known in ((utterance.speaker, loaded.speakers), (utterance.emotion, loaded.emotions)):
            if name not in known:
                raise InputError(
                    f"{utterance.place}: {log_dir} was trained without {name!r}; fine-tune its checkpoint.pt with "
                    "--init in another train.log_dir"
                )
    return loaded


def _extended(path: str, utterances: Sequence[Utterance]) -> Loaded:
    """A checkpoint with the names and symbols that the corpus has besides."""
    loaded = load_checkpoint(path)
    text = loaded.params.text
    try:
        return extend(loaded, *names_of(utterances), front_end(text.front_end, None, text.add_blank).symbols)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
