"""One text in two styles and in between: a alone, b alone, and the interpolation, from the same noise."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from common.errors import InputError, TextError
from common.files import replacing
from model.cond_grad_tts import Frames
from model.contour import carry_by_position, fill_unvoiced
from model.interpolation import (
    Frequency,
    Interpolated,
    Linear,
    Temporal,
    interpolate_frequency,
    interpolate_linear,
    interpolate_temporal,
)
from model.interpolation.carry import carry_by_tokens, source_places
from model.interpolation.common_durations import encode_both, spread_both
from model.interpolation.fields import crossing_by_token
from model.interpolation.official import interpolate_official
from model.interpolation.pitch_mask import PitchMask, union
from model.style import StyleSource
from synthesis.options import SOLVERS, Options
from synthesis.pieces import SpokenPiece
from synthesis.result import Result
from synthesis.synthesiser import PlainRun, Request, Synthesiser, piece_generator
from text.front_end import EncodedText

Interpolation = Linear | Temporal | Frequency
_SHARE_OF_A = {"a": 1.0, "b": 0.0, "mean": 0.5}


@dataclass(frozen=True)
class Pair:
    """A text's runs. between: one for each interpolation asked for; steps: what its pictures need, by piece; alone: the
    two plain runs of each piece.
    """

    a: Result
    b: Result
    between: list[Result]
    steps: list[list[Interpolated]]
    alone: list[list[PlainRun]]


def speak_pairs(
    synthesiser: Synthesiser,
    requests_a: Sequence[Request],
    requests_b: Sequence[Request],
    interpolations: Sequence[Interpolation],
    options: Options,
) -> Iterator[Pair]:
    """A pair for each text; the two lists hold the same texts in their two styles (`Synthesiser.requests`).

    Raises:
        InputError: the model has no such interpolation, or a text has no word to cross at.
    """
    for settings in interpolations:
        _check_solver(settings, options.sampler)
    for a, b in zip(requests_a, requests_b, strict=True):
        runs: list[list[PlainRun]] = []
        between: list[list[SpokenPiece]] = [[] for _ in interpolations]
        steps: list[list[Interpolated]] = [[] for _ in interpolations]
        for number, encoded in enumerate(a.encoded):

            def noise(number: int = number, index: int = a.index) -> torch.Generator:
                return piece_generator(options.seed, index, number)

            alone = [synthesiser.speak_piece(request, encoded, options, noise()) for request in (a, b)]
            runs.append(alone)
            for kind, settings in enumerate(interpolations):
                start = synthesiser.now()
                done = _interpolate(synthesiser, a, b, encoded, alone, settings, options, noise)
                steps[kind].append(done)
                nfe = done.synthesis.nfe
                between[kind].append(synthesiser.piece(done.synthesis, encoded, nfe, start, a.index))
        names = {"speaker": f"{a.speaker.name}+{b.speaker.name}", "emotion": f"{a.emotion.name}+{b.emotion.name}"}
        yield Pair(
            a=synthesiser.result(a, [run[0].piece for run in runs]),
            b=synthesiser.result(b, [run[1].piece for run in runs]),
            between=[synthesiser.result(a, pieces, **names) for pieces in between],
            steps=steps,
            alone=runs,
        )


def _check_solver(settings: Interpolation, solver: str) -> None:
    if not isinstance(settings, Frequency):
        return
    if settings.method == "two-noise" and solver == "ml-sde":
        raise InputError("two-noise needs the same noise for both latents, and ml-sde draws more; use another --solver")
    if settings.method == "staged" and solver not in SOLVERS:
        raise InputError("staged changes the latent on the way, and a tuned solver cannot follow; use another --solver")


def write_mask(path: str | os.PathLike, done: Interpolated) -> None:
    """Save a's share of the pitch, (n_mels, T) float32, as `.npy`, for the evaluation's pictures.

    Raises:
        InputError: the place cannot be written to.
    """
    field = done.field[0, :, : done.synthesis.mel.shape[2]].float().cpu().numpy()
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, field)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another output folder") from error


@torch.no_grad()
def _interpolate(
    synthesiser: Synthesiser,
    a: Request,
    b: Request,
    encoded: EncodedText,
    alone: Sequence[PlainRun],
    settings: Interpolation,
    options: Options,
    noise: Callable[[], torch.Generator],
) -> Interpolated:
    sampling = synthesiser.sampling(options, noise())
    ids, lengths = synthesiser.tensors(encoded)
    model = synthesiser.model
    if not synthesiser.conditional:
        speakers = [request.speaker.value.to(ids.device) for request in (a, b)]
        try:
            return interpolate_official(model, ids, lengths, *speakers, settings, sampling, options.length_scale)
        except ValueError as error:
            raise InputError(str(error)) from error
    if isinstance(settings, Frequency):
        inputs = frequency_inputs(synthesiser, encoded, alone, settings, options.length_scale)
        return interpolate_frequency(
            model, inputs.frames, inputs.style_a, inputs.style_b, inputs.mask, settings, sampling
        )
    if isinstance(settings, Temporal) and settings.cross_word is not None:
        settings = replace(settings, cross=word_start(encoded, settings.cross_word), cross_word=None)
    if isinstance(settings, Linear):
        share = torch.full((ids.shape[1],), settings.weight, device=ids.device)
    else:
        share = crossing_by_token(ids[0], settings.cross, settings.cross_width)
    texts = encode_both(model, ids, lengths, *(run.style for run in alone))
    frames, _ = spread_both(model, *texts, share, options.length_scale)
    styles = [_own_pitch(run, synthesiser, frames) for run in alone]
    if isinstance(settings, Linear):
        return interpolate_linear(model, ids, lengths, *styles, settings, sampling, options.length_scale)
    return interpolate_temporal(model, ids, lengths, *styles, settings, sampling, options.length_scale)


def _own_pitch(run: PlainRun, synthesiser: Synthesiser, frames: Frames) -> StyleSource:
    """A run's style with the pitch that it was heard with, so that two pitches can blend into one in between.

    Carried phone by phone to the common frames. A run without a voiced frame keeps its style as it is.
    """
    measured = _Measured.of(run.piece, synthesiser)
    if measured is None:
        return run.style
    return replace(
        run.style,
        log_f0=measured.carried_log_f0(frames, "phones")[None],
        voicing=measured.carried_voicing(frames)[None],
        contour_lengths=frames.lengths,
    )


def word_start(encoded: EncodedText, word: int) -> float:
    """Where a word begins, as a share of the tokens. Raises InputError if the text has fewer words."""
    if word not in encoded.word_of:
        raise TextError(f"cross_word {word}: the text has {len(encoded.words)} words, numbered from 0")
    return encoded.word_of.index(word) / len(encoded.ids)


@dataclass(frozen=True)
class FrequencyInputs:
    """What `model.interpolation.interpolate_frequency` takes: b's frames, both styles over them, and the pitch mask."""

    frames: Frames
    style_a: StyleSource
    style_b: StyleSource
    mask: Tensor  # (1, n_mels, T)


@torch.no_grad()
def frequency_inputs(
    synthesiser: Synthesiser,
    encoded: EncodedText,
    alone: Sequence[PlainRun],
    settings: Frequency,
    length_scale: float = 1.0,
) -> FrequencyInputs:
    """Measure both plain runs, and carry what they say about pitch to the common frames.

    Raises:
        InputError: one of the two has no voiced frame.
    """
    model = synthesiser.model
    ids, lengths = synthesiser.tensors(encoded)
    plain = [replace(run.style, log_f0=None, voicing=None) for run in alone]
    share = torch.full((ids.shape[1],), _SHARE_OF_A[settings.durations])
    _, frames = spread_both(model, *encode_both(model, ids, lengths, *plain), share.to(ids.device), length_scale)
    measured = [_Measured.of(run.piece, synthesiser) for run in alone]
    if None in measured:
        raise TextError("a plain run has no voiced frame, so there is no pitch to take; use another text or style")
    a, b = measured
    voicing = b.carried_voicing(frames)
    style_b = replace(
        plain[1],
        log_f0=b.carried_log_f0(frames, "phones")[None],
        voicing=voicing[None],
        energy=model.normalise_energy(b.carried(b.energy, frames))[None],
        contour_lengths=frames.lengths,
    )
    if settings.carry == "attention":
        pitch = {"log_f0": a.log_f0[None], "voicing": a.voicing[None], "contour_lengths": a.durations.sum()[None]}
    else:
        pitch = {
            "log_f0": a.carried_log_f0(frames, settings.carry)[None],
            "voicing": voicing[None],
            "contour_lengths": frames.lengths,
        }
    style_a = replace(plain[0], **pitch)
    carry = "linear" if settings.carry == "linear" else "phones"
    mask = _pitch_mask(synthesiser, a, b, frames, voicing, settings.mask, carry)
    return FrequencyInputs(frames, style_a, style_b, mask)


def _pitch_mask(
    synthesiser: Synthesiser, a: _Measured, b: _Measured, frames: Frames, voicing: Tensor, kind: str, carry: str
) -> Tensor:
    """The cells that either pitch occupies, (1, n_mels, T); every cell for "none"."""
    if kind == "none":
        return torch.ones_like(frames.mu)
    masks = PitchMask(synthesiser.params.audio)
    parts = []
    for measured, way in ((a, carry), (b, "phones")):
        f0 = (measured.carried_log_f0(frames, way).exp() * voicing).cpu().numpy()
        if kind == "f0":
            parts.append(masks.f0(f0))
        elif kind == "harmonics":
            parts.append(masks.harmonics(f0))
        else:
            frequency, bandwidth = measured.carried_formants(frames, synthesiser)
            parts.append(masks.f0_and_formants(f0, frequency, bandwidth))
    return union(*parts)[None].to(frames.mu) * frames.mask


@dataclass(frozen=True)
class _Measured:
    """What a plain run sounds like, at its own frames: log_f0 (T,) filled across unvoiced frames, voicing, energy."""

    piece: SpokenPiece
    durations: Tensor  # (S,)
    log_f0: Tensor
    voicing: Tensor
    energy: Tensor

    @classmethod
    def of(cls, piece: SpokenPiece, synthesiser: Synthesiser) -> _Measured | None:
        """None if nothing in it is voiced."""
        from data.energy import frame_energy
        from data.pitch import extract_f0

        device = synthesiser.device
        f0 = torch.from_numpy(extract_f0(piece.audio, synthesiser.params.audio)).to(device)
        voicing = (f0 > 0).to(f0.dtype)
        if not voicing.any():
            return None
        return cls(
            piece=piece,
            durations=torch.from_numpy(np.asarray(piece.durations)).to(device),
            log_f0=fill_unvoiced(f0.clamp(min=1).log(), voicing),
            voicing=voicing,
            energy=torch.from_numpy(frame_energy(piece.mel)).to(device),
        )

    def carried(self, contour: Tensor, frames: Frames, carry: str = "phones") -> Tensor:
        """A contour of this run at the frames of another, padded with zeros to their size."""
        length = int(frames.lengths[0])
        if carry == "linear":
            carried = carry_by_position(contour, length)
        else:
            carried = carry_by_tokens(contour, self.durations, frames.durations[0])
        return F.pad(carried, (0, frames.mask.shape[2] - length))

    def carried_log_f0(self, frames: Frames, carry: str) -> Tensor:
        return self.carried(self.log_f0, frames, carry)

    def carried_voicing(self, frames: Frames) -> Tensor:
        return (self.carried(self.voicing, frames) > 0.5).to(self.voicing.dtype)

    def carried_formants(self, frames: Frames, synthesiser: Synthesiser) -> tuple[np.ndarray, np.ndarray]:
        """Frequency and bandwidth (4, T) in Hz, 0 where unknown."""
        from data.formants import extract_formants

        formants = extract_formants(self.piece.audio, synthesiser.params.audio)
        # Read, not interpolated: between a known and an unknown formant there is none.
        place = source_places(self.durations, frames.durations[0]).round().long().cpu().numpy()
        pad = ((0, 0), (0, frames.mask.shape[2] - len(place)))
        return np.pad(formants.frequency[:, place], pad), np.pad(formants.bandwidth[:, place], pad)
