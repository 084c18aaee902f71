"""A model and a vocoder, ready to speak."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common.device import bound_kernels, choose_device, has_bfloat16, return_memory
from common.errors import BadLines, InputError, TextError
from data.filelist import TextLine, usual_emotion
from data.model_file import load_checkpoint
from hifigan import AmxGenerator, FourierGenerator, Vocoder, load_vocoder, quickest, vocode, vocode_in_parts
from model.checkpoint import Loaded
from model.grad_tts import GradTTS
from model.prosody import TokenProsody
from model.sampling import SAMPLERS, Sampler
from model.style import StyleSource
from model.text_to_mel import Frames, Sampling, Synthesis
from model.windows import decode_in_windows
from synthesis.backends.choice import choose_backend
from synthesis.growing_mel import GrowingMel
from synthesis.options import PRECISIONS, SOLVERS, Options, check_solver
from synthesis.parts import MANNER, VOICE, parts_taken
from synthesis.pieces import SpokenPiece, join_pieces
from synthesis.pitch_range import speak_as_wide
from synthesis.prosody_edits import NO_EDITS, ProsodyEdits
from synthesis.reader_file import read_reader
from synthesis.reference import Recording, Reference, manner_of, read_reference, voice_of, with_reference
from synthesis.result import Result
from synthesis.solver_file import read_solver
from synthesis.text_pieces import TextPiece, text_pieces
from synthesis.times import phone_times, word_times
from synthesis.voice import Choice, Label, choose_embedding, choose_name
from synthesis.word_pitch import speak_as_asked
from text.front_end import EncodedText, front_end
from text.pronunciation import Lexicon
from text.prosody import BOUNDS

_FILE = str | os.PathLike
GRAPHS = "cache/graphs"  # the folder of exported graphs
MOST_TOKENS = 6000  # of a piece; the text encoder's memory grows with the square
MOST_SECONDS = 3600  # of a text, whose audio and mels are in memory together
FIRST_WINDOW, MOST_WINDOW = 128, 512  # frames that are decoded at a time where a text is streamed
FIRST_CHUNK = 32  # frames that are vocoded first where a text is streamed
HEARD_BESIDE = 24  # frames beside a word that are heard with it: the tracker's window and the vocoder's context
VOCODER_CHUNK = 512  # frames that are vocoded at a time: memory stays bounded, and it is not slower than the whole


@dataclass(frozen=True)
class Request:
    """One text with everything found that speaking it needs; place: where it was given, for messages."""

    index: int
    place: str
    given: str  # the text as it came
    spoken: tuple[TextPiece, ...]
    speaker: Choice
    emotion: Choice
    reference: Reference | None
    taken: frozenset[str] = frozenset()  # what comes from the reference (`synthesis.parts.PARTS`)
    voices: Mapping[str, Choice] = field(default_factory=dict)  # those that the text itself names

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces as a person reads them."""
        return tuple(piece.text for piece in self.spoken)

    @property
    def encoded(self) -> tuple[EncodedText, ...]:
        return tuple(piece.encoded for piece in self.spoken)

    @property
    def text(self) -> str:
        """The text as a person reads it: markup without its elements."""
        return self.given if self.plain else " ".join(self.pieces)

    @property
    def plain(self) -> bool:
        """Whether the text is what it reads like."""
        return self.given.split() == " ".join(self.pieces).split()


@dataclass(frozen=True, eq=False)
class StreamedPart:
    """A part of a sentence as soon as it can be heard: its text, the sentence's number there, and the (samples,) to
    append to the text's audio; a sentence's first part begins with the pause after the sentence before.

    sentence: all of it, with its last part; None before.
    """

    request: Request
    number: int
    audio: np.ndarray
    sentence: SpokenPiece | None

    @property
    def last(self) -> bool:
        """Whether it ends its text."""
        return self.sentence is not None and self.number + 1 == len(self.request.pieces)


@dataclass(frozen=True, eq=False)
class DecodedPiece:
    """A piece before it is vocoded: its mel with the level that was asked for, and `mel` (n_mels, T) without; what its
    text was encoded to, the style that it was decoded with, and when that began (`Synthesiser.now`).
    """

    piece: TextPiece
    output: Synthesis
    text: Any
    style: StyleSource
    mel: np.ndarray
    began: float


@dataclass(frozen=True)
class PlainRun:
    """A piece as one style speaks it; what its text was encoded to, and the style that it was decoded with.

    decoded: the mel (n_mels, T) before its level was changed.
    """

    piece: SpokenPiece
    text: Any
    style: StyleSource
    decoded: np.ndarray


def load_model(
    path: str | os.PathLike,
    vocoder: str | os.PathLike | None = None,
    device: str = "auto",
    *,
    precision: str = "fp32",
    backend: str = "torch",
    graphs: str | os.PathLike = GRAPHS,
    time_scale: float | None = None,
) -> Synthesiser:
    """Load a checkpoint of this project, or an official Grad-TTS state dict, and a vocoder that fits it.

    vocoder: a name in `hifigan.VOCODERS`, or a vocoder's file; None: the universal one that is installed.
    device: "auto", "cpu" or "cuda".
    precision: of decoder and vocoder, "fp32", "bf16", or "auto": bfloat16 where the processor computes in it, but not
        for official checkpoints, whose numbers stay the official ones.
    backend: what runs the networks, `synthesis.options.BACKENDS`; graphs: the folder in which their exported
        graphs are kept.
    time_scale: of an official checkpoint, 1000 or 1 (grad-tts-old.pt); None: told from the weights.

    Raises:
        InputError: a file cannot be used, the two do not fit together, or there is no such device.
    """
    bound_kernels()
    chosen = choose_device(device)
    loaded = load_checkpoint(path, time_scale)
    if loaded.model.attends:
        loaded.model.reader = read_reader(path, loaded.params.audio.n_mels)
    backend = choose_backend(backend, chosen, precision)
    if precision == "auto":
        official = isinstance(loaded.model, GradTTS)
        precision = "bf16" if has_bfloat16(chosen) and not official and backend != "onnx" else "fp32"
    synthesiser = Synthesiser(loaded, load_vocoder(vocoder, expect=loaded.params.audio), chosen, precision)
    if backend != "torch":
        synthesiser.use_graphs(backend, graphs)
    return synthesiser


class Synthesiser:
    """Speaks texts, one at a time: what a text sounds like does not depend on the texts beside it."""

    def __init__(self, loaded: Loaded, vocoder: Vocoder, device: torch.device, precision: str = "fp32") -> None:
        """precision: "fp32", or "bf16" for bfloat16 autocast of decoder and vocoder."""
        if precision not in ("fp32", "bf16"):
            raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        self.params = loaded.params
        self.speakers = loaded.speakers
        self.emotions = loaded.emotions
        self.step = loaded.step
        self.notes = loaded.notes
        self.device = device
        self.precision = precision
        self.backend = "torch"
        self.model = loaded.model.to(device)
        self._vocoder = quickest(vocoder, device, precision)
        self._fitted: dict[str, Sampler] = {}  # by path
        text = loaded.params.text
        self._front_end = front_end(text.front_end, loaded.symbols, text.add_blank)

    def use_graphs(self, backend: str, folder: str | os.PathLike = GRAPHS) -> None:
        """Run encoder, estimator and vocoder by another backend, "onnx" or "openvino".

        folder: where graphs are kept; one that is not there yet is exported when it is first needed.
        """
        from synthesis.backends.graph_modules import GraphEncoder, GraphEstimator, GraphVocoder, session_opener

        opener, folder = session_opener(backend), Path(folder)
        self.model.encoder = GraphEncoder(self.model.encoder, folder, opener)
        self.model.decoder.estimator = GraphEstimator(self.model.decoder.estimator, folder, opener, self.precision)
        if not isinstance(self._vocoder, AmxGenerator | FourierGenerator):  # which no graph is faster than
            self._vocoder = GraphVocoder(self._vocoder, folder, opener, self.precision)
        self.backend = backend

    @property
    def autocast(self) -> torch.dtype | None:
        """Lower precision of torch's decoder; None: as it is, or a graph's own."""
        return torch.bfloat16 if self.precision == "bf16" and self.backend == "torch" else None

    @property
    def hears(self) -> bool:
        """Whether it takes voice and manner from a recording."""
        return getattr(self.model, "hearing", None) is not None

    def reads(self, type_name: str) -> bool:
        """Whether the model reads a type of style (`model.style.TYPES`)."""
        return type_name in self.model.types

    def options(
        self,
        *,
        steps: int | None = None,
        temperature: float | None = None,
        length_scale: float | None = None,
        guidance_scale: float | None = None,
        seed: int = 0,
        sampler: str | os.PathLike | None = None,
    ) -> Options:
        """Options with the checkpoint's own values for what is None.

        sampler: a name in `SOLVERS`, or the path of a fitted solver (`synthesis.fit_solver`), which has its own number
            of steps. None: `inference.sampler`, or "euler" for official checkpoints.

        Raises:
            InputError: a value is out of range, or the model has no such ability.
        """
        defaults = self.params.inference
        if sampler is None:
            sampler = self.model.usual_sampler
        elif isinstance(sampler, os.PathLike):
            sampler = os.fspath(sampler)
        if sampler not in SOLVERS:
            fitted_steps = self._read_solver(sampler)
            if steps is not None and steps != fitted_steps:
                raise InputError(f"{sampler} was fitted for {fitted_steps} steps, not {steps}; leave the steps out")
            steps = fitted_steps
        options = Options(
            steps=defaults.steps if steps is None else steps,
            temperature=defaults.temperature if temperature is None else temperature,
            length_scale=defaults.length_scale if length_scale is None else length_scale,
            guidance_scale=defaults.guidance_scale if guidance_scale is None else guidance_scale,
            seed=seed,
            sampler=sampler,
            named_steps=steps is not None,
        )
        if options.guidance_scale != 1 and not self.model.guides:
            raise InputError("official checkpoints cannot be guided; leave guidance_scale at 1")
        return options

    def sampler(self, options: Options) -> Sampler:
        """The sampler that options of this synthesiser name."""
        return SAMPLERS.get(options.sampler) or self._fitted[options.sampler]

    def sampling(self, options: Options, generator: torch.Generator) -> Sampling:
        """How the model samples by these options."""
        return Sampling(options.steps, options.temperature, self.sampler(options), generator, autocast=self.autocast)

    def _read_solver(self, path: str) -> int:
        """Keep a fitted solver; the number of its steps."""
        check_solver(path)
        solver = read_solver(path)
        self._fitted[path] = solver.sampler()
        return len(solver.times)

    def synthesise(
        self,
        texts: str | Iterable[str | TextLine],
        *,
        speaker: Label | None = None,
        emotion: Label | None = None,
        ref: Recording | list[Recording] | None = None,
        take: Collection[str] | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        length_scale: float | None = None,
        guidance_scale: float | None = None,
        seed: int = 0,
        sampler: str | os.PathLike | None = None,
        edits: ProsodyEdits = NO_EDITS,
        phones: bool = False,
        lexicon: Lexicon | None = None,
    ) -> list[Result]:
        """Speak texts.

        Args:
            texts: strings, or lines of `data.filelist.read_texts`, whose own speaker, emotion and reference win. One
                that begins with `<speak>` is markup (docs/prosody.md).
            speaker, emotion: a name or an id (an id may be a string of digits that is no name); an embedding or its
                `.npy` file where the model was trained on embeddings. None: the first speaker; "neutral", or the first
                emotion if there is no such.
            ref: a recording, file or (samples, Hz), whose voice, manner and melody are taken; or several of one person.
            take: some of these (`synthesis.parts.PARTS`); None: what speaker and emotion leave open. A checkpoint
                that does not hear takes the melody and the timbre.
            seed: of the noise, together with the text's index (and the piece's, in a long text): the same seed gives
                the same samples, and a text keeps its own when other texts change. Numbers from elsewhere in the
                process have no part in it.
            steps, temperature, length_scale, guidance_scale, sampler: see `options`.
            edits: what is asked of pitch, speed, level, pauses and melody; a text's markup comes on top.
            phones: the texts that are no markup are ARPAbet. lexicon: pronunciations that win over the dictionary.

        Raises:
            InputError: something given cannot be used; nothing was spoken then. A `TextError` may also come of a text
                while it is spoken (too long, samples that are not finite), and ends the call.
        """
        options = self.options(
            steps=steps,
            temperature=temperature,
            length_scale=length_scale,
            guidance_scale=guidance_scale,
            seed=seed,
            sampler=sampler,
        )
        asked = {"take": take, "edits": edits, "phones": phones, "lexicon": lexicon}
        return list(self.synthesise_each(texts, options, speaker=speaker, emotion=emotion, ref=ref, **asked))

    def synthesise_each(
        self,
        texts: str | Iterable[str | TextLine],
        options: Options,
        *,
        speaker: Label | None = None,
        emotion: Label | None = None,
        ref: Recording | list[Recording] | None = None,
        take: Collection[str] | None = None,
        edits: ProsodyEdits = NO_EDITS,
        phones: bool = False,
        lexicon: Lexicon | None = None,
        bad_lines: BadLines | None = None,
    ) -> Iterator[Result]:
        """`synthesise`, result by result. Everything given is checked in the call itself, before the first one.

        bad_lines: takes the texts that cannot be spoken; None: the first one raises.
        """
        bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
        asked = {"take": take, "edits": edits, "phones": phones, "lexicon": lexicon}
        requests = self.requests(texts, speaker, emotion, ref, **asked, bad_lines=bad_lines)
        return self._speak_each(requests, options, bad_lines)

    def _speak_each(self, requests: Iterable[Request], options: Options, bad_lines: BadLines) -> Iterator[Result]:
        for request in requests:
            result = None
            with bad_lines.skipping(request.place, TextError):
                result = self.result(request, list(self._pieces(request, options)))
            if result is not None:
                yield result

    def stream(
        self,
        texts: str | Iterable[str | TextLine],
        options: Options | None = None,
        *,
        speaker: Label | None = None,
        emotion: Label | None = None,
        ref: Recording | list[Recording] | None = None,
        take: Collection[str] | None = None,
        edits: ProsodyEdits = NO_EDITS,
        phones: bool = False,
        lexicon: Lexicon | None = None,
        early: bool = False,
    ) -> Iterator[StreamedPart]:
        """Speak texts sentence by sentence, and every sentence part by part, each handed over before the next is begun.

        Every text is split into its sentences, short ones too; otherwise it is what `synthesise` makes of such pieces.
        A sentence's first part is a third of a second, the further ones are longer.
        early: decode a long sentence in stretches too (`model.windows`), where nothing is asked that changes it as a
            whole; it is then nearly what `synthesise` makes.
        options: None for the checkpoint's own; further arguments and errors as for `synthesise`.
        """
        chosen = self.options() if options is None else options
        asked = {"take": take, "edits": edits, "phones": phones, "lexicon": lexicon}
        requests = self.requests(texts, speaker, emotion, ref, by_sentence=True, **asked)
        return (streamed for request in requests for streamed in self.stream_one(request, chosen, early))

    # ------------------------------------------------------------------ before

    def requests(
        self,
        texts: str | Iterable[str | TextLine],
        speaker: Label | None,
        emotion: Label | None,
        ref: Recording | list[Recording] | None,
        by_sentence: bool = False,
        take: Collection[str] | None = None,
        edits: ProsodyEdits = NO_EDITS,
        phones: bool = False,
        lexicon: Lexicon | None = None,
        bad_lines: BadLines | None = None,
    ) -> list[Request]:
        """Texts with all that speaking them needs; by_sentence: a piece for every sentence of a short text too.

        bad_lines: takes the texts that cannot be spoken; None: the first one raises.

        Raises InputError for what cannot be used.
        """
        bad_lines = BadLines(strict=True) if bad_lines is None else bad_lines
        texts = [texts] if isinstance(texts, str) else list(texts)
        # Who speaks where nothing says so is a question only where nothing does: a model may have no such answer.
        common_speaker = self._speaker(speaker) if speaker is not None or _lacks(texts, "speaker") else None
        common_emotion = self._emotion(emotion) if emotion is not None or _lacks(texts, "emotion") else None
        if take is not None and ref is None and not any(isinstance(line, TextLine) and line.ref for line in texts):
            raise InputError(f"take={','.join(take)} without a recording to take it from; give ref")
        common_taken = parts_taken(take, speaker is not None, emotion is not None, self.hears)
        common_references = [] if ref is None else self._references(ref)
        references: dict[Path, list[Reference]] = {}
        requests = []
        for position, line in enumerate(texts):
            if not isinstance(line, str | TextLine):
                raise InputError(f"text {position} is a {type(line).__name__}; give strings")
            place = f"text {position}" if isinstance(line, str) else line.place
            line = TextLine(position, position + 1, line) if isinstance(line, str) else line
            with bad_lines.skipping(place):
                if line.ref is not None and line.ref not in references:
                    references[line.ref] = self._references(line.ref)
                given = common_references if line.ref is None else references[line.ref]
                taken = common_taken if given else frozenset()
                taken -= {part for part, name in ((VOICE, line.speaker), (MANNER, line.emotion)) if name is not None}
                chosen = (
                    common_speaker if line.speaker is None else self._speaker(line.speaker),
                    common_emotion if line.emotion is None else self._emotion(line.emotion),
                )
                chosen = self._taken_from(given, taken, *chosen)
                spoken = text_pieces(
                    line.text, self._front_end, by_sentence=by_sentence, phones=phones, lexicon=lexicon, edits=edits
                )
                for piece in spoken:
                    if not self.reads("pitch") and not piece.edits.plain:
                        raise InputError("this checkpoint has speed and volume alone to change; leave the others out")
                    self._asked(piece)  # so that what cannot be done is said before anything is spoken
                requests.append(
                    Request(
                        index=line.index,
                        place=place,
                        given=line.text,
                        spoken=spoken,
                        speaker=chosen[0],
                        emotion=chosen[1],
                        reference=given[0] if given else None,
                        taken=taken,
                        voices={piece.voice: self._voice(piece.voice) for piece in spoken if piece.voice is not None},
                    )
                )
        return requests

    def _voice(self, name: str) -> Choice:
        """A speaker that markup names; never a file."""
        if self.params.style.speaker_embedding_dim:
            raise InputError("this model takes embeddings as speakers, which <voice> cannot name; leave it out")
        return self._speaker(name)

    def _asked(self, piece: TextPiece) -> TokenProsody | None:
        """What is asked of a piece's tokens, on the device; None: nothing. Raises InputError if it does not fit."""
        tokens = len(piece.encoded.ids)
        if tokens > MOST_TOKENS:
            raise InputError(f"{tokens} tokens without a place to cut, more than {MOST_TOKENS}; write it in words")
        if piece.edits.neutral and piece.lead == math.inf:
            return None
        return piece.edits.of_tokens(piece.encoded, self.frame_seconds, piece.lead).to(self.device)

    @property
    def frame_seconds(self) -> float:
        return self.params.audio.hop_length / self.params.audio.sample_rate

    def _speaker(self, wanted: Label | None) -> Choice:
        width = self.params.style.speaker_embedding_dim
        if width:
            return choose_embedding("speaker", wanted, width)
        return choose_name("speaker", wanted, self.speakers)

    def _emotion(self, wanted: Label | None) -> Choice:
        width = self.params.style.emotion_embedding_dim
        if width:
            return choose_embedding("emotion", wanted, width)
        return choose_name("emotion", wanted, self.emotions, self.emotions.index(usual_emotion(self.emotions)))

    def _references(self, ref: Recording | Sequence[Recording]) -> list[Reference]:
        if not self.reads("timbre"):
            raise InputError("this checkpoint takes no reference; leave ref out, or use a checkpoint that does")
        # A tuple is samples and their rate, unless it is of files.
        several = isinstance(ref, list) or (isinstance(ref, tuple) and all(isinstance(one, _FILE) for one in ref))
        recordings = list(ref) if several else [ref]
        if not recordings:
            raise InputError("ref is empty; give a recording, or leave it out")
        if len(recordings) > 1 and not self.hears:
            raise InputError("this checkpoint hears no voices, so it takes one recording; give the one with the melody")
        return [read_reference(recording, self.params.audio) for recording in recordings]

    def _taken_from(
        self, references: Sequence[Reference], taken: frozenset[str], speaker: Choice, emotion: Choice
    ) -> tuple[Choice, Choice]:
        """Speaker and emotion with the recordings' voice and manner in their places, where those are taken."""
        if not self.hears or not taken & {VOICE, MANNER}:
            return speaker, emotion
        hearing = self.model.hearing
        own = voice_of(references, hearing)
        if MANNER in taken:
            emotion = Choice(references[0].name, manner_of(references, hearing, own))
        return Choice(references[0].name, own) if VOICE in taken else speaker, emotion

    # ---------------------------------------------------------------- speaking

    def _pieces(self, request: Request, options: Options) -> Iterator[SpokenPiece]:
        start = 0.0  # of the piece in the text, in seconds
        for number, (piece, silence) in enumerate(zip(request.spoken, self.silences(request), strict=True)):
            start += silence * self.frame_seconds
            generator = piece_generator(options.seed, request.index, number)
            decoded = self.decode_piece(request, piece, options, generator, start=start)
            start += decoded.output.mel.shape[2] * self.frame_seconds
            check_seconds(start)
            yield self.vocoded(decoded.output, piece.encoded, decoded.began, request.index)

    def stream_one(self, request: Request, options: Options, early: bool = False) -> Iterator[StreamedPart]:
        """One text (`requests`, by_sentence), part by part, each as soon as it can be heard; early: as of `stream`."""
        hop, start = self.params.audio.hop_length, 0.0
        for number, (piece, silence) in enumerate(zip(request.spoken, self.silences(request), strict=True)):
            start += silence * self.frame_seconds
            generator = piece_generator(options.seed, request.index, number)
            began = self.now()
            stretches = self._stretches(request, piece, options, generator, start, early)
            growing = GrowingMel(*stretches, self.now, began)
            start += growing.frames * self.frame_seconds
            check_seconds(start)
            pause = np.zeros(silence * hop, dtype=np.float32)
            parts: list[np.ndarray] = []
            for part in vocode_in_parts(
                self._vocoder, growing, growing.frames, FIRST_CHUNK, VOCODER_CHUNK, precision=self.precision
            ):
                parts.append(self._checked(part, request.index))
                sentence = None
                if sum(map(len, parts)) == growing.frames * hop:
                    times = growing.seconds, self.now() - began - growing.seconds
                    sentence = self._spoken(growing.whole(), piece.encoded, np.concatenate(parts), *times)
                yield StreamedPart(request, number, np.concatenate([pause, parts[-1]]), sentence)
                pause = pause[:0]

    def _stretches(
        self,
        request: Request,
        piece: TextPiece,
        options: Options,
        generator: torch.Generator,
        start: float,
        early: bool,
    ) -> tuple[int, Iterator[Synthesis]]:
        """A piece's frames, and its mel in stretches; early: several, where nothing changes it as a whole."""
        local = self.model.local and options.guidance_scale == 1 and self._asked(piece) is None
        if not (early and local):
            output = self.decode_piece(request, piece, options, generator, start=start).output
            return output.mel.shape[2], iter([output])
        _, frames, style = self._framed(request, piece, options, None, start)
        sampling = self.sampling(options, generator)
        windows = decode_in_windows(self.model, frames, style, sampling, FIRST_WINDOW, MOST_WINDOW)
        return int(frames.lengths), windows

    def silences(self, request: Request) -> list[int]:
        """Frames of silence before each piece."""
        return [round(piece.silence / self.frame_seconds) for piece in request.spoken]

    def result(self, request: Request, pieces: Sequence[SpokenPiece], **changes: Any) -> Result:
        """The spoken pieces of a text, joined; changes: fields of the result that are not the request's."""
        audio = self.params.audio
        spoken = join_pieces(pieces, self.silences(request), audio.hop_length)
        voices = dict.fromkeys(piece.voice or request.speaker.name for piece in request.spoken)
        marks, before = [], 0
        for piece in request.spoken:
            marks += [(name, word + before) for name, word in piece.marks]
            before += len(piece.encoded.words)
        fields = {
            "index": request.index,
            "text": request.text,
            "given": None if request.plain else request.given,
            "speaker": "+".join(voices),
            "emotion": request.emotion.name,
            "pieces": request.pieces,
            "audio": spoken.audio,
            "sample_rate": audio.sample_rate,
            "mel": spoken.mel,
            "mu": spoken.mu,
            "tokens": spoken.tokens,
            "durations": spoken.durations,
            "words": spoken.words,
            "word_of": spoken.word_of,
            "marks": tuple(marks),
            "nfe": spoken.nfe,
            "mel_seconds": spoken.mel_seconds,
            "vocoder_seconds": spoken.vocoder_seconds,
        }
        return_memory()
        return Result(**{**fields, **changes})

    def speak_piece(
        self,
        request: Request,
        piece: TextPiece,
        options: Options,
        generator: torch.Generator,
        restyle: Callable[[StyleSource, Frames], StyleSource] | None = None,
        start: float = 0.0,
    ) -> PlainRun:
        """One piece in the request's own style; arguments as of `decode_piece`."""
        decoded = self.decode_piece(request, piece, options, generator, restyle, start)
        spoken = self.vocoded(decoded.output, piece.encoded, decoded.began, request.index)
        return PlainRun(spoken, decoded.text, decoded.style, decoded.mel)

    @torch.no_grad()
    def decode_piece(
        self,
        request: Request,
        piece: TextPiece,
        options: Options,
        generator: torch.Generator,
        restyle: Callable[[StyleSource, Frames], StyleSource] | None = None,
        start: float = 0.0,
    ) -> DecodedPiece:
        """The mel of one piece in the request's own style. A changed range, and words whose pitch is changed, are
        corrected by what is heard (`synthesis.pitch_range`, `synthesis.word_pitch`), which takes several decodings.

        restyle: changes that style once the text's frames are known, in each of them; the first is of what was asked.
        start: of the piece in its text, in seconds.
        """
        edits, pitches = piece.edits, [word.pitch for word in piece.edits.words]
        if edits.overall.range == 1 and not any(pitches):
            return self._decode_once(request, piece, options, generator, restyle, start)
        began, noise = self.now(), generator.get_state()
        evaluations = 0

        def decode(edits: ProsodyEdits) -> DecodedPiece:
            nonlocal evaluations
            generator.set_state(noise)
            decoded = self._decode_once(request, replace(piece, edits=edits), options, generator, restyle, start)
            evaluations += decoded.output.nfe
            return decoded

        widest = BOUNDS["range"][1] / max([1.0, *(word.range for word in edits.words)])  # with that of a word

        def widened(told: float) -> ProsodyEdits:
            return replace(edits, overall=replace(edits.overall, range=min(told, widest)))

        lowest, highest = BOUNDS["pitch"]  # of a word's own change, and of it with that of everything
        overall = edits.overall.pitch
        low, high = max(lowest, lowest - overall), min(highest, highest - overall)

        def raised(told: Sequence[float]) -> ProsodyEdits:
            pairs = zip(edits.words, told, strict=True)
            return replace(edits, words=tuple(replace(word, pitch=min(max(pitch, low), high)) for word, pitch in pairs))

        if edits.overall.range != 1:
            best, told = speak_as_wide(edits.overall.range, lambda told: decode(widened(told)), self._heard)
            edits = widened(told)
        if any(pitches):
            best = speak_as_asked(
                pitches, lambda told: decode(raised(told)), lambda decoded: self._heard_words(decoded, pitches)
            )
        return replace(best, piece=piece, began=began, output=replace(best.output, nfe=evaluations))

    def _decode_once(
        self,
        request: Request,
        piece: TextPiece,
        options: Options,
        generator: torch.Generator,
        restyle: Callable[[StyleSource, Frames], StyleSource] | None,
        start: float,
    ) -> DecodedPiece:
        began = self.now()
        text, frames, style = self._framed(request, piece, options, restyle, start)
        output = self.model.decode(frames, style, self.sampling(options, generator), options.guidance_scale)
        mel = output.mel[0].cpu().numpy()
        return DecodedPiece(piece, self.levelled(output, piece), text, style, mel, began)

    def _framed(
        self,
        request: Request,
        piece: TextPiece,
        options: Options,
        restyle: Callable[[StyleSource, Frames], StyleSource] | None,
        start: float,
    ) -> tuple[Any, Frames, StyleSource]:
        """A piece's encoded text, its frames, and the style that they are decoded in."""
        asked = self._asked(piece)
        style = self.style_of(request, piece)
        text, frames = self.encoded_piece(piece, style, options)
        if request.reference is not None:
            taken = request.taken if piece.voice is None else request.taken - {VOICE}
            style = with_reference(style, request.reference, frames, self.model, taken)
        if asked is not None and self.reads("pitch"):
            style = self._with_melody(style, piece, frames, asked, start)
        if restyle is not None:
            style = restyle(style, frames)
        return text, frames, style

    def _heard_words(self, decoded: DecodedPiece, pitches: Sequence[float]) -> dict[int, np.ndarray]:
        """Of the words whose pitch is changed, the F0 of their frames in Hz, at the level before it was changed."""
        encoded = decoded.piece.encoded
        durations = decoded.output.alignment[0].sum(1).round().long().tolist()
        phones = phone_times(encoded.symbols, durations, encoded.word_of, 1.0)  # in frames
        spans = {
            time.word: (round(time.start), round(time.end))
            for time in word_times(encoded.words, phones)
            if pitches[time.word]
        }
        if not spans:
            return {}
        first = max(min(start for start, _ in spans.values()) - HEARD_BESIDE, 0)
        last = max(end for _, end in spans.values()) + HEARD_BESIDE
        f0 = self._heard(decoded, first, last)
        return {word: f0[start - first : end - first] for word, (start, end) in spans.items()}

    def _heard(self, decoded: DecodedPiece, first: int = 0, last: int | None = None) -> np.ndarray:
        """F0 of a piece's frames from `first` on, Hz and 0 where unvoiced, at the level before it was changed."""
        from data.pitch import extract_f0

        mel = torch.from_numpy(decoded.mel[:, first:last])
        audio = vocode(self._vocoder, mel, chunk_frames=VOCODER_CHUNK, precision=self.precision)
        return extract_f0(audio[0].cpu().numpy(), self.params.audio)

    @torch.no_grad()
    def encoded_piece(self, piece: TextPiece, style: StyleSource, options: Options) -> tuple[Any, Frames]:
        """A piece's tokens, and the frames over which they are spoken, as its prosody asks; style: `style_of`.

        Raises TextError for a piece that would last too long.
        """
        text = self.model.encode(*self.tensors(piece.encoded), style)
        asked = self._asked(piece)
        if asked is not None and self.reads("pitch"):
            text = replace(text, log_durations=asked.log_durations(text.log_durations, options.length_scale))
        try:
            return text, self.model.spread(text, self.length_scale(piece, options))
        except ValueError as error:
            raise TextError(str(error)) from error

    def length_scale(self, piece: TextPiece, options: Options) -> float:
        """What the model's durations are multiplied by. Official ones are rounded up before, so the rate is in it."""
        return options.length_scale if self.reads("pitch") else options.length_scale / piece.edits.overall.rate

    def _with_melody(
        self, style: StyleSource, piece: TextPiece, frames: Frames, asked: TokenProsody, start: float
    ) -> StyleSource:
        """The style with the melody that is asked for; as it is where none is."""
        contour = piece.edits.contour
        if contour is not None:
            log_f0 = contour.log_f0(frames.mask.shape[2], self.frame_seconds, start)
            style = frames.with_pitch(style, torch.from_numpy(log_f0)[None].to(self.device))
        if asked.changes_pitch:
            log_f0 = frames.log_f0 if style.log_f0 is None else style.log_f0
            log_f0 = asked.log_f0(log_f0, frames.voicing, frames.alignment)
            style = frames.with_pitch(style, log_f0)
        return style

    def levelled(self, output: Synthesis, piece: TextPiece) -> Synthesis:
        """A decoded piece with the level and the silences that are asked for."""
        asked = self._asked(piece)
        return output if asked is None else replace(output, mel=asked.mel(output.mel, output.alignment))

    def tensors(self, encoded: EncodedText) -> tuple[torch.Tensor, torch.Tensor]:
        """ids (1, S) and lengths (1,) on the device."""
        ids = torch.tensor([encoded.ids], device=self.device)
        return ids, torch.tensor([ids.shape[1]], device=self.device)

    def style_of(self, request: Request, piece: TextPiece | None = None) -> StyleSource:
        """Speaker and emotion of a request, or of a piece of it, as far as the model reads them; no reference."""
        voice = None if piece is None or piece.voice is None else request.voices[piece.voice]
        labels = {"speaker": voice or request.speaker, "emotion": request.emotion}
        return StyleSource(**{name: label.value.to(self.device) for name, label in labels.items() if self.reads(name)})

    def vocoded(self, output: Synthesis, encoded: EncodedText, start: float, index: int) -> SpokenPiece:
        """Vocode a decoded piece; start: when its decoding began, `now`."""
        mel_end = self.now()
        audio = vocode(self._vocoder, output.mel, chunk_frames=VOCODER_CHUNK, precision=self.precision)
        audio = self._checked(audio, index)
        return self._spoken(output, encoded, audio, mel_end - start, self.now() - mel_end)

    @staticmethod
    def _checked(audio: torch.Tensor, index: int) -> np.ndarray:
        """(1, samples) of the vocoder, of the text with that index -> (samples,)."""
        samples = audio[0].cpu().numpy()
        if not np.isfinite(samples).all():
            raise TextError(
                f"text {index} came out with samples that are not finite; "
                "the checkpoint is damaged, or temperature or guidance_scale too extreme"
            )
        return samples

    @staticmethod
    def _spoken(
        output: Synthesis, encoded: EncodedText, audio: np.ndarray, mel_seconds: float, vocoder_seconds: float
    ) -> SpokenPiece:
        return SpokenPiece(
            mel=output.mel[0].cpu().numpy(),
            mu=output.mu[0].cpu().numpy(),
            audio=audio,
            tokens=tuple(encoded.symbols),
            durations=output.alignment[0].sum(1).round().long().cpu().numpy(),
            words=tuple(encoded.words),
            word_of=tuple(encoded.word_of),
            nfe=output.nfe,
            mel_seconds=mel_seconds,
            vocoder_seconds=vocoder_seconds,
        )

    def now(self) -> float:
        """Seconds on a clock, when all that was asked of the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def check_seconds(seconds: float) -> None:
    """Raises TextError for a text that lasts so long."""
    if seconds > MOST_SECONDS:
        raise TextError(f"it lasts more than {MOST_SECONDS} s; make several texts of it")


def piece_generator(*numbers: int) -> torch.Generator:
    """A CPU generator that all the numbers decide together; the same noise on every device."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def _lacks(texts: Sequence[str | TextLine], column: str) -> bool:
    """Whether some text does not say itself what stands in a column of a file of texts."""
    return any(getattr(line, column, None) is None for line in texts)
