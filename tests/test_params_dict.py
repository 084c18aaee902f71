from __future__ import annotations

import dataclasses
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from model.params_check import check_params
from model.params_dict import flat_params, parameter_types, params_from_dict, params_to_dict
from params import Audio, Encoder, Estimator, Params, Style, Train

TYPES = parameter_types()
_VALUES = {
    int: st.integers(-(10**9), 10**9),
    float: st.floats(allow_nan=False),
    str: st.text(),
    bool: st.booleans(),
    tuple[int, ...]: st.lists(st.integers(-5, 5)).map(tuple),
}
_CHANGES = st.dictionaries(st.sampled_from(sorted(TYPES)), st.none()).flatmap(
    lambda keys: st.fixed_dictionaries({key: _VALUES[TYPES[key]] for key in keys})
)
_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["train", "steps", "heads", "x", "", "a.b"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def nested(flat: dict) -> dict:
    groups: dict = {}
    for key, value in flat.items():
        group, name = key.split(".")
        groups.setdefault(group, {})[name] = value
    return groups


@settings(deadline=None, max_examples=60)
@given(_CHANGES)
def test_dotted_nested_and_yaml_all_mean_the_same(changes):
    params = params_from_dict(changes)
    assert flat_params(params) == {**flat_params(Params()), **changes}
    assert params_from_dict(nested(changes)) == params
    assert params_from_dict(params_to_dict(params)) == params
    assert params_from_dict(changes, params) == params
    assert params_from_dict(yaml.safe_load(yaml.safe_dump(params_to_dict(params)))) == params


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from([*TYPES, "train", "audio", "trian", ""]) | st.text(max_size=12), _JUNK))
def test_anything_else_is_one_line_naming_a_known_key(values):
    try:
        params = params_from_dict(values)
    except ValueError as error:
        message = str(error)
        assert message.splitlines() == [message] and len(message) < 400
        assert any(key in message for key in (*TYPES, *Params().__dict__))
    else:
        for key, value in flat_params(params).items():
            assert TYPES[key] == tuple[int, ...] or type(value) is TYPES[key]


def test_every_field_of_params_is_a_parameter():
    assert len(TYPES) == sum(len(dataclasses.fields(group)) for group in params_to_group(Params()))
    assert TYPES["train.steps"] is int and TYPES["estimator.heads"] == tuple[int, ...]
    assert set(TYPES.values()) <= set(_VALUES)


def params_to_group(params: Params) -> list:
    return [getattr(params, field.name) for field in dataclasses.fields(params)]


def test_the_base_stays_where_nothing_is_given():
    base = Params(train=Train(steps=7), style=Style(token_channels=8))
    params = params_from_dict({"train": {"batch_size": 3}}, base)
    assert params == Params(train=Train(steps=7, batch_size=3), style=Style(token_channels=8))
    assert base.train.batch_size == Train().batch_size


def test_whole_numbers_are_numbers_and_truth_is_neither():
    value = params_from_dict({"train.clip_norm": 2}).train.clip_norm
    assert value == 2.0 and type(value) is float
    assert params_from_dict({"estimator": {"heads": [1, 1, 2]}}).estimator.heads == (1, 1, 2)
    for key, value in (
        ("train.steps", True),
        ("train.steps", 8.0),
        ("train.steps", "8"),
        ("train.clip_norm", False),
        ("train.clip_norm", "1"),
        ("text.add_blank", 1),
        ("text.add_blank", "true"),
        ("train.log_dir", 3),
        ("train.log_dir", None),
        ("estimator.heads", 3),
        ("estimator.heads", [1, True, 2]),
        ("estimator.heads", [1, 2.0]),
        ("estimator.heads", "124"),
    ):
        with pytest.raises(ValueError, match=f"^{key} must be "):
            params_from_dict({key: value})


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("train.bach_size", "train.batch_size"),
        ("batch_size", "train.batch_size"),
        ("model.token_channels", "style.token_channels"),
        ("train.lerning_rate", "train.learning_rate"),
        ("audio.fmaxx", "audio.fmax"),
        ("train.steps.x", None),
        ("", None),
    ],
)
def test_the_nearest_key_is_named(wrong, meant):
    with pytest.raises(ValueError, match="there is no parameter") as caught:
        params_from_dict({wrong: 1})
    named = str(caught.value).rsplit("'", 2)[1]
    assert named in TYPES and (meant is None or named == meant)


@pytest.mark.parametrize("value", [None, 3, "x", [1]])
def test_a_group_is_no_parameter(value):
    with pytest.raises(ValueError, match=r"train is a group of parameters.*train\.train_filelist"):
        params_from_dict({"train": value})


@pytest.mark.parametrize("values", [{"trian": {}}, {"train": {"steps": {}}}, {"train": {"x": {}}}])
def test_an_empty_group_hides_no_mistake(values):
    with pytest.raises(ValueError, match=r"there is no parameter|must be a whole number"):
        params_from_dict(values)


def test_a_huge_value_is_not_shown_whole():
    bomb: list = ["x" * 100]
    for _ in range(30):
        bomb = [bomb, bomb]  # 2^30 texts when written out
    with pytest.raises(ValueError, match="must be a whole number") as caught:
        params_from_dict({"train.steps": bomb})
    assert len(str(caught.value)) < 300


def test_the_defaults_can_be_used():
    check_params(Params())


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("train.steps", 0, "at least 1"),
        ("train.log_every", 0, "at least 1"),
        ("train.crop_frames", 30, "a multiple of 4"),
        ("train.precision", "fp8", "auto, bf16, fp32"),
        ("train.learning_rate", 0.0, "above 0"),
        ("train.learning_rate", math.nan, "finite"),
        ("train.clip_norm", math.inf, "finite"),
        ("train.ema_decay", 1.0, "below 1"),
        ("train.seed", -1, "0 or more"),
        ("train.workers", -1, "0 or more"),
        ("style.kind", "both", "typed, bundled"),
        ("style.timbre_frames", 6, "power of two"),
        ("style.drop_probability", 1.5, "from 0 to 1"),
        ("text.front_end", "german", "arpabet, official"),
        ("encoder.kernel_size", 4, "odd"),
        ("encoder.heads", 3, "multiple of encoder.heads"),
        ("estimator.heads", (1, 2), "three"),
        ("estimator.heads", (1, 0, 1), "three"),
        ("estimator.channels", 7, "even"),
        ("audio.fmax", 12000.0, "half the sample rate"),
        ("audio.fmin", 9000.0, "above audio.fmin"),
        ("audio.f0_min", 600.0, "below audio.f0_max"),
        ("audio.win_length", 2048, "above audio.n_fft"),
        ("audio.n_mels", 320, "15 of its rows lie between"),
        ("inference.temperature", -1.0, "above 0"),
    ],
)
def test_values_that_cannot_be_used_are_named(key, value, words):
    with pytest.raises(ValueError, match=words) as caught:
        check_params(params_from_dict({key: value}))
    assert str(caught.value).startswith(key.split(".")[0])


def test_the_allowed_extremes():
    check_params(params_from_dict({"train.workers": 0, "train.seed": 0, "train.warmup_steps": 0, "audio.fmin": 0}))
    check_params(Params(style=Style(drop_probability=1.0, drop_all_probability=0.0, timbre_frames=2)))
    check_params(Params(encoder=Encoder(dropout=0.0, kernel_size=1), estimator=Estimator(channels=4)))
    check_params(Params(audio=Audio(fmax=11025.0)))
    check_params(params_from_dict({"diffusion.noise_mean": -3}))


@pytest.mark.parametrize(
    "key", [key for key, kind in TYPES.items() if kind in (int, float) and "interpolation" not in key]
)
def test_no_size_is_without_bounds(key):
    huge = 10**30 if TYPES[key] is int else 1e300
    with pytest.raises(ValueError, match=f"^{key} must be "):
        check_params(params_from_dict({key: huge}))


def test_a_whole_number_that_no_float_holds_and_a_name_that_no_file_has():
    with pytest.raises(ValueError, match="clip_norm must be a number"):
        params_from_dict({"train.clip_norm": 10**400})
    with pytest.raises(ValueError, match=r"^train.log_dir must be a text that is not empty, without null"):
        check_params(params_from_dict({"train.log_dir": "a\0b"}))
