"""What a run starts from: a new model, its own saved state, or the checkpoint of another to fine-tune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    """The model with what it was made for. state: to resume; is_new: whether nothing was learned yet."""

    model: CondGradTTS
    params: Params
    front_end: FrontEnd
    speakers: list[str]
    emotions: list[str]
    state: TrainingState | None
    is_new: bool

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
    start = _start(init, state, log_dir, utterances)
    if start is None:
        reader = front_end(params.text.front_end, None, params.text.add_blank)
        speakers, emotions = names_of(utterances)
        model = _new_model(params, reader.symbols, speakers, emotions)
        if model.hearing is not None:
            _learn_to_hear(model, params.train.recordings)
        else:
            _check_deaf(params)
        return Beginning(model, params, reader, speakers, emotions, None, True)
    origin = str(log_dir if state is not None else init)
    replaceable = (STYLE_KIND,) if state is None else ()
    params = resolve_params(config, overrides, start.params, origin, replaceable)
    reader = front_end(params.text.front_end, start.symbols, params.text.add_blank)
    model = rebuilt(start, params).model
    if model.hearing is None:
        _check_deaf(params)
    return Beginning(model, params, reader, list(start.speakers), list(start.emotions), state, False)


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
        loaded = unpack(state.payload, "weights") if state is not None else load_checkpoint(init)
        if state is None:
            text = loaded.params.text
            return extend(loaded, *names_of(utterances), front_end(text.front_end, None, text.add_blank).symbols)
    except InputError:
        raise
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
