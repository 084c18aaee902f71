"""The studio's page: three tabs over `studio`'s own classes. Nothing but this file knows Gradio."""

from __future__ import annotations

import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from common.errors import InputError
from data.filelist import usual_emotion
from model.interpolation import KINDS
from studio import parts
from studio.measure import measure_run
from studio.pair import PairTake, kind_of, settings_of, speak_pair, sweep
from studio.session import MOST_VISITS, VISIT_ENDED, Session
from studio.shape import UNSHAPED, Shape, read_shape
from studio.take import Performance, Take
from studio.turns import Turns
from studio.wish import MOST_CHARACTERS, MOST_STEPS, Style, Wish, check_recordings
from synthesis.pair_plots import share_rows
from synthesis.parts import MANNER, PARTS, VOICE
from synthesis.pictures import as_png
from synthesis.plots import draw_result, draw_results
from synthesis.synthesiser import Synthesiser
from text.prosody import Prosody

EXAMPLE = "The ferry leaves at noon. If you hurry, you will still be on it."
SECONDS_BETWEEN = 0.5  # that somebody waits between two looks at the line
DRAWING = "Drawing its picture ..."
WRONG = "something went wrong in the program itself; the terminal in which the studio runs says more"

Update = dict[Any, Any]


def asset(name: str) -> str:
    return resources.files("studio").joinpath(name).read_text("utf-8")


class Page:
    """The page of one model. root: the folder below which everything temporary lies."""

    def __init__(
        self,
        synthesiser: Synthesiser,
        checkpoint: str,
        root: Path,
        turns: Turns | None = None,
        vocoder: str | None = None,
    ) -> None:
        self.synthesiser, self.checkpoint, self.vocoder, self.root = synthesiser, checkpoint, vocoder, root
        self.turns = turns or Turns()
        self._visits: list[Session] = []
        self.blocks = self._build()

    # ------------------------------------------------------------------- layout

    def _build(self) -> gr.Blocks:
        with gr.Blocks(title="Studio", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
            self.session = gr.State(None, delete_callback=_close)
            self.told = gr.JSON(visible=False)
            self.shown = gr.JSON(visible=False)
            self.edits = gr.JSON(visible=False)
            gr.HTML(f"<h1>Studio</h1><p>{Path(self.checkpoint).name}, {self._voices()}</p>", elem_id="head")
            self.text = gr.Textbox(
                EXAMPLE, label="Text", lines=3, max_lines=8, elem_id="text",
                info=f"plain, or markup that begins with <speak>; up to {MOST_CHARACTERS} characters",
            )  # fmt: skip
            with gr.Accordion("Sampling", open=False, elem_id="sampling"), gr.Row():
                defaults = self.synthesiser.params.inference
                self.steps = gr.Slider(1, MOST_STEPS, defaults.steps, step=1, label="Steps", info="network evaluations")
                self.temperature = gr.Slider(
                    0.5, 10, defaults.temperature, step=0.05, label="Temperature", info="divides the noise"
                )
                self.seed = gr.Number(0, precision=0, minimum=0, label="Seed", info="of the noise")
            with gr.Tabs():
                with gr.Tab("Speak", elem_id="tab-speak"):
                    self._build_speak()
                with gr.Tab("Shape", elem_id="tab-shape"):
                    self._build_shape()
                with gr.Tab("Two styles", elem_id="tab-pair"):
                    self._build_pair()
            with gr.Row():
                download = gr.Button("Download everything that was spoken", elem_id="download", size="sm")
            self.downloads = gr.HTML(elem_id="downloads")
            self._connect(download, self._download, [], [self.downloads]).then(fn=None, js="() => studio.download()")
            self.told.change(fn=None, inputs=[self.told], js="(told) => { studio.tell(told); }")
            self.shown.change(fn=None, inputs=[self.shown], js="(shown) => { studio.show(shown); }")
            blocks.unload(self._leave)
        return blocks

    def _voices(self) -> str:
        speakers, emotions = len(self.synthesiser.speakers), len(self.synthesiser.emotions)
        manners = f", {emotions} manners" if self.synthesiser.reads("emotion") else ""
        ears = ""
        if self.synthesiser.reads("timbre"):
            hears = self.synthesiser.hears
            ears = "; of a recording it takes " + ("voice, manner and melody" if hears else "the timbre and the melody")
        return f"{speakers} voice{'s' if speakers > 1 else ''}{manners}{ears}"

    def _style(self, name: str, speaker: int = 0) -> list[gr.components.Component]:
        """Inputs of a style: voice, manner, recording, further ones, what is taken of them."""
        model = self.synthesiser
        speakers, emotions = list(model.speakers), list(model.emotions)
        with gr.Row():
            voice = gr.Dropdown(
                speakers, value=speakers[min(speaker, len(speakers) - 1)], label="Voice", elem_id=f"{name}-voice",
                visible=model.reads("speaker"), min_width=130,
            )  # fmt: skip
            manner = gr.Dropdown(
                emotions, value=usual_emotion(emotions), label="Manner", elem_id=f"{name}-manner",
                visible=model.reads("emotion"), min_width=130,
            )  # fmt: skip
        what = "whose voice, manner or melody is taken" if model.hears else "its timbre and melody"
        with gr.Accordion(
            f"Recording: {what}", open=False, visible=model.reads("timbre"), elem_id=f"{name}-recording-part"
        ):
            recording = gr.Audio(
                sources=["upload", "microphone"], type="filepath", label="A sentence or two, up to a minute",
                elem_id=f"{name}-recording", editable=False, buttons=[],
            )  # fmt: skip
            more = gr.File(
                file_count="multiple", file_types=["audio"], label="Further recordings of the same person", height=150,
                visible=model.hears, elem_id=f"{name}-more",
            )  # fmt: skip
            taken = gr.CheckboxGroup(
                list(PARTS), value=list(PARTS), label="Taken of it", visible=model.hears, elem_id=f"{name}-taken",
                info="what is not taken is what the names above say; the melody is then the text's own",
            )  # fmt: skip
        if model.hears:
            gr.on(
                [recording.change, more.change, taken.change], _names_in_use, [recording, more, taken],
                [voice, manner], api_visibility="private", show_progress="hidden",
            )  # fmt: skip
        return [voice, manner, recording, more, taken]

    def _build_speak(self) -> None:
        model = self.synthesiser
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                self.style = self._style("speak")
                self.autoplay = gr.Checkbox(True, label="Play each sentence as soon as it is there", elem_id="autoplay")
            with gr.Column(scale=3, min_width=300), gr.Row():
                melodic = model.reads("pitch")
                self.prosody = [
                    gr.Slider(
                        -12, 12, 0, step=0.5, label="Pitch (semitones)", visible=melodic, elem_id="pitch", min_width=220
                    ),
                    gr.Slider(0, 2, 1, step=0.05, label="Range (x)", visible=melodic, elem_id="range", min_width=220),
                    gr.Slider(0.5, 2, 1, step=0.05, label="Rate (x)", elem_id="rate", min_width=220),
                    gr.Slider(-20, 12, 0, step=1, label="Volume (dB)", elem_id="volume", min_width=220),
                ]
        speak = gr.Button("Speak", variant="primary", elem_id="speak")
        self.message = gr.HTML(elem_id="message")
        self.notes = gr.HTML(elem_id="notes")
        self.heard = gr.HTML(elem_id="heard")
        self.picture = gr.HTML(elem_id="picture")
        self.command = gr.Textbox(
            label="The same by command line", elem_id="command", buttons=["copy"], interactive=False
        )
        self._build_shape_outputs()
        inputs = [self.text, *self.style, *self.prosody, self.steps, self.temperature, self.seed, self.autoplay]
        outputs = [self.message, self.notes, self.heard, self.picture, self.command, self.told, *self.shape_outputs]
        self._connect(speak, self._speak, inputs, outputs)

    def _build_shape_outputs(self) -> None:
        """Outputs of the second tab that the first one fills; they are rendered there."""
        self.shape_message = gr.HTML(
            parts.status("Speak a sentence first; it then appears here."), elem_id="shape-message", render=False
        )
        self.shape_heard = gr.HTML(elem_id="shape-heard", render=False)
        self.shape_files = gr.HTML(elem_id="shape-files", render=False)
        self.shape_command = gr.Textbox(
            label="The same by command line", elem_id="shape-command", buttons=["copy"], interactive=False, render=False
        )
        self.shape_outputs = [
            self.shape_message, self.shape_heard, self.shape_files, self.shape_command, self.shown
        ]  # fmt: skip

    def _build_shape(self) -> None:
        gr.HTML('<div id="shape-editor"></div>', js_on_load=None)
        with gr.Row():
            again = gr.Button("Speak again", variant="primary", elem_id="speak-again")
            swap = gr.Button("A/B: the other one", elem_id="swap")
            back = gr.Button("Back to the one before", elem_id="back")
        for output in self.shape_outputs[:-1]:
            output.render()
        outputs = [*self.shape_outputs, self.told]
        # The editor is the page's own, so its state is fetched when the button is pressed.
        fetch = "(session, edits, autoplay) => [session, studio.edits(), autoplay]"
        self._connect(again, self._speak_again, [self.edits, self.autoplay], outputs, js=fetch)
        self._connect(back, self._back, [], outputs)
        swap.click(fn=None, js="() => studio.swap()")

    def _build_pair(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                gr.Markdown("### a")
                self.style_a = self._style("a")
            with gr.Column(min_width=300):
                gr.Markdown("### b")
                self.style_b = self._style("b", speaker=1)
        usable = [name for name, kind in KINDS.items() if self.synthesiser.model.attends or kind.even]
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=220):
                self.kind = gr.Dropdown(usable, value=usable[0], label="Interpolation", elem_id="kind")
                self.lead = gr.Radio(["a", "b"], value="a", label="Whose pitch is taken", visible=False, elem_id="lead")
            with gr.Column(scale=3, min_width=300):
                self.settings = {name: self._build_settings(name, name == usable[0]) for name in usable}
        groups = [group for group, _ in self.settings.values()]
        self.kind.change(
            lambda name: [
                *(gr.update(visible=known == name) for known in self.settings),
                gr.update(visible=KINDS[name].moves_pitch),
            ],
            [self.kind], [*groups, self.lead], api_visibility="private", show_progress="hidden",
        )  # fmt: skip
        with gr.Row():
            speak = gr.Button("Speak a, b and between", variant="primary", elem_id="speak-pair")
            sweeping = gr.Button("Sweep the weight from 0 to 1", elem_id="sweep")
            measure = gr.Button("Measure", elem_id="measure")
        self.pair_message = gr.HTML(elem_id="pair-message")
        self.pair_notes = gr.HTML(elem_id="pair-notes")
        self.pair_heard = gr.HTML(elem_id="pair-heard")
        self.pair_picture = gr.HTML(elem_id="pair-picture")
        self.pair_measured = gr.HTML(elem_id="pair-measured")
        self.pair_command = gr.Textbox(
            label="The same by command line", elem_id="pair-command", buttons=["copy"], interactive=False
        )
        inputs = [
            self.text, *self.style_a, *self.style_b, self.steps, self.temperature, self.seed, self.kind, self.lead,
            *(widget for _, widgets in self.settings.values() for widget in widgets),
        ]  # fmt: skip
        outputs = [
            self.pair_message, self.pair_notes, self.pair_heard, self.pair_picture, self.pair_measured,
            self.pair_command,
        ]  # fmt: skip
        self._connect(speak, partial(self._speak_pair, False), inputs, outputs)
        self._connect(sweeping, partial(self._speak_pair, True), inputs, outputs)
        self._connect(measure, self._measure, [], [self.pair_message, self.pair_measured])

    def _build_settings(self, kind: str, visible: bool) -> tuple[gr.Column, list[gr.components.Component]]:
        """A widget for each setting of a kind, made from its dataclass."""
        widgets = []
        with gr.Column(visible=visible, elem_id=f"settings-{kind}") as group, gr.Row():
            for setting in settings_of(kind, self.synthesiser.params.interpolation):
                name = f"{kind}-{setting.name}"
                common = {"label": setting.name, "info": setting.help, "elem_id": name, "min_width": 200}
                if setting.form == "choice":
                    widgets.append(gr.Dropdown(list(setting.choices), value=setting.default, **common))
                elif setting.form == "some":
                    widgets.append(
                        gr.CheckboxGroup(list(setting.choices), value=setting.default, **{**common, "min_width": 320})
                    )
                elif setting.form == "switch":
                    widgets.append(gr.Checkbox(setting.default, **common))
                elif setting.form == "slider":
                    step = 1 if setting.whole else 0.01
                    widgets.append(gr.Slider(setting.low, setting.high, setting.default, step=step, **common))
                elif setting.form == "number":
                    precision = 0 if setting.whole else None
                    widgets.append(gr.Number(setting.default, precision=precision, **common))
                else:
                    widgets.append(gr.Textbox(setting.default or "", **common))
        return group, widgets

    # ------------------------------------------------------------------- events

    def _connect(
        self, button: gr.Button, answer: Callable[..., Iterator[Update]], inputs: Sequence, outputs: Sequence,
        js: str | None = None,
    ) -> Any:  # fmt: skip
        """answer: yields updates by component; what it cannot use becomes a line in the first output."""

        # A click while the last update is still on its way counts, once that is there.
        return button.click(
            partial(self._guarded, answer, outputs[0]), [self.session, *inputs], [self.session, *outputs],
            api_visibility="private", show_progress="hidden", concurrency_limit=None, js=js, trigger_mode="always_last",
        )  # fmt: skip

    def _guarded(
        self, answer: Callable[..., Iterator[Update]], message: Any, session: Session | None, *given: Any
    ) -> Iterator[Update]:
        if session is None or session.closed:
            session = self._visit()
        try:
            yield {self.session: session}
            yield from answer(session, *given)
        except InputError as error:
            yield {message: parts.status(str(error), wrong=True)}
        except Exception:
            if session.closed:  # beside this: what it had is gone
                yield {message: parts.status(VISIT_ENDED, wrong=True)}
                return
            traceback.print_exc()
            yield {message: parts.status(WRONG, wrong=True)}

    def _visit(self) -> Session:
        session = Session(self.root, self.synthesiser, self.checkpoint, self.vocoder)
        self._visits = [one for one in (*self._visits, session) if not one.closed]
        for oldest in self._visits[:-MOST_VISITS]:
            oldest.close()
        return session

    def _leave(self, request: gr.Request) -> None:
        """A tab was closed. Gradio keeps what it had for an hour, and its page's content for longer."""
        holder = self.blocks.state_holder
        holder.delete_state(request.session_hash)
        holder.session_data.pop(request.session_hash, None)
        holder.time_last_used.pop(request.session_hash, None)

    def _in_turn(self, message: Any, busy: str, work: Callable[[], Iterator[Update]]) -> Iterator[Update]:
        """What `work` yields, when it is its turn."""
        with self.turns.join() as ticket:
            while not ticket.wait(SECONDS_BETWEEN):
                before = "one other" if ticket.ahead == 1 else f"{ticket.ahead} others"
                yield {message: parts.status(f"Waiting: one computation at a time, {before} before you.")}
            yield {message: parts.status(busy)}
            for update in work():
                ticket.wait(0)  # so that a studio that is stopped need not wait for the last sentence
                yield update

    # -------------------------------------------------------------------- speak

    def _speak(self, session: Session, text: str, *given: Any) -> Iterator[Update]:
        style, (pitch, span, rate, volume, steps, temperature, seed, autoplay) = given[:5], given[5:]
        wish = Wish(
            text=text or "",
            style=self._chosen(session, *style),
            prosody=Prosody(*map(float, (pitch, span, rate, volume))),
            steps=self._named(steps),
            temperature=temperature,
            seed=_seed(seed),
        )
        return self._in_turn(
            self.message, "Speaking ...", lambda: self._perform(session, wish, UNSHAPED, None, autoplay, self.message)
        )

    def _named(self, steps: int) -> int | None:
        """None where the slider was left: a kind of interpolation may have a number of its own."""
        return None if steps == self.synthesiser.params.inference.steps else steps

    def _chosen(
        self,
        session: Session,
        speaker: str,
        emotion: str,
        recording: str | None,
        more: Sequence[str] | None,
        taken: Sequence[str],
    ) -> Style:
        """more, taken: of a checkpoint that hears; a part that is taken has no name beside it."""
        given = [*([recording] if recording else []), *(more or [])]
        check_recordings([path for path in given if not session.has(path)])
        recordings = tuple(dict.fromkeys(session.adopt(path) for path in given))
        take = None
        if recordings and self.synthesiser.hears:
            take = tuple(part for part in PARTS if part in taken)
            if not take:
                raise InputError("nothing of the recording is taken; tick voice, manner or melody, or remove it")
        named = {"speaker": VOICE not in (take or ()), "emotion": MANNER not in (take or ())}
        return Style(
            speaker if named["speaker"] and self.synthesiser.reads("speaker") else None,
            emotion if named["emotion"] and self.synthesiser.reads("emotion") else None,
            recordings,
            take,
        )

    def _perform(
        self, session: Session, wish: Wish, shape: Shape, before: Take | None, autoplay: bool, message: Any
    ) -> Iterator[Update]:
        """Speak sentence by sentence; then the whole, its picture, and the second tab."""
        performance = Performance(self.synthesiser, wish, shape, before)
        run, urls = uuid.uuid4().hex, []
        for sentence in performance:
            if sentence.count > 1:
                urls.append(parts.url(session.keep_sentence(sentence.audio, self.synthesiser.params.audio.sample_rate)))
                yield {
                    self.told: {"run": run, "urls": urls, "playing": autoplay},
                    message: parts.status(f"Sentence {sentence.number + 1} of {sentence.count} is there ..."),
                }
        take = performance.take
        wav, command = session.keep_take(take)
        result = take.result
        if len(urls) == 0:
            yield {self.told: {"run": run, "urls": [parts.url(wav)], "playing": autoplay}}
        first = f"the first sentence after {take.first_seconds:.2f} s"
        said = f"{result.seconds:.2f} s of audio; {first}, RTF {result.rtf:.2f}."
        if message is self.message:
            yield {
                message: parts.status(DRAWING),
                self.notes: parts.notes(*session.notes(wish.style)),
                self.heard: parts.players([parts.player(self._title(result), wav, result, "spoken")]),
                self.command: command,
                **self._shape_updates(session, "Change its words or its melody, then speak it again."),
            }
            png = as_png(draw_result(result, self.synthesiser.params.audio))
            yield {
                message: parts.status(said),
                self.picture: parts.picture(png, "mel with F0, words, phones and mu"),
            }
        else:
            yield self._shape_updates(session, said)

    @staticmethod
    def _title(result: Any) -> str:
        return f"{result.speaker}, {result.emotion}"

    # -------------------------------------------------------------------- shape

    def _shape_updates(self, session: Session, said: str) -> Update:
        take = session.take
        audio = self.synthesiser.params.audio
        editor = parts.editor(take, audio.f0_min, audio.f0_max)
        if editor is None:
            said = "This checkpoint reads no melody, so it cannot be shaped."
        versions = [parts.player("this version", session.wav_of(take), take.result, "shape-now")]
        if session.before is not None:
            before = session.before
            versions.append(parts.player("the version before", session.wav_of(before), before.result, "shape-before"))
        contour = session.contour_of(take)
        files = "" if contour is None else parts.link(contour, "the melody, as --contour reads it", "contour-link")
        return {
            self.shape_message: parts.status(said),
            self.shape_heard: parts.players(versions),
            self.shape_files: files,
            self.shape_command: session.command_of(take),
            # Named, so that one that is like the one before is shown anew, too.
            self.shown: None if editor is None else {**editor, "sound": parts.url(session.wav_of(take))},
        }

    def _speak_again(self, session: Session, edits: Any, autoplay: bool) -> Iterator[Update]:
        take = session.take
        if take is not None and take.melody is None:
            raise InputError("this checkpoint reads no melody, so it cannot be shaped")
        if take is None or not edits:
            raise InputError("there is no sentence to shape yet; speak one first")
        shape = read_shape(edits, len(take.result.words), take.result.frames)
        return self._in_turn(
            self.shape_message,
            "Speaking ...",
            lambda: self._perform(session, take.wish, shape, take, autoplay, self.shape_message),
        )

    def _back(self, session: Session) -> Iterator[Update]:
        if session.before is None:
            raise InputError("there is no version before this one")
        session.take, session.before = session.before, session.take
        yield self._shape_updates(session, "Back at the version before; the other one stays beside it.")

    # --------------------------------------------------------------- two styles

    def _speak_pair(self, sweeping: bool, session: Session, text: str, *given: Any) -> Iterator[Update]:
        a, b, rest = given[:5], given[5:10], given[10:]
        steps, temperature, seed, name, lead, *values = rest
        settings: dict[str, Any] = {}
        at = 0
        for known, (_, widgets) in self.settings.items():
            if known == name:
                names = [setting.name for setting in settings_of(name, self.synthesiser.params.interpolation)]
                settings = dict(zip(names, values[at : at + len(widgets)], strict=True))
            at += len(widgets)
        kind = kind_of(name, settings, self.synthesiser.params.interpolation)
        kinds = sweep(kind) if sweeping else [kind]
        style = self._chosen(session, *a)
        common = {"steps": self._named(steps), "temperature": temperature, "seed": _seed(seed)}
        wish = Wish(text=text or "", style=style, **common)
        style_b = self._chosen(session, *b)

        def work() -> Iterator[Update]:
            spoken = speak_pair(self.synthesiser, wish, style_b, kinds, lead)
            wavs, command = session.keep_pair(spoken)
            titles = _titles(spoken)
            heard = [
                parts.player(titles[ending], wavs[ending], result, f"pair-{ending}")
                for ending, result in spoken.results.items()
            ]
            seconds = sum(result.mel_seconds + result.vocoder_seconds for result in spoken.results.values())
            yield {
                self.pair_message: parts.status(DRAWING),
                self.pair_notes: parts.notes(*session.notes(style, style_b)),
                self.pair_heard: parts.players(heard),
                self.pair_command: command,
                self.pair_measured: "",
            }
            audio = self.synthesiser.params.audio
            results = [(titles[ending], result) for ending, result in spoken.results.items()]
            rows = share_rows(spoken.pair, 0, audio) if len(kinds) == 1 else []
            png = as_png(draw_results(results, audio, rows))
            yield {
                self.pair_message: parts.status(f"{len(heard)} versions from the same noise, in {seconds:.1f} s."),
                self.pair_picture: parts.picture(png, "mels of a, b and between over one time axis, with F0"),
            }

        return self._in_turn(self.pair_message, "Speaking a, b and what lies between ...", work)

    def _measure(self, session: Session) -> Iterator[Update]:
        if not session.has_pair:
            raise InputError("there is nothing to measure yet; speak a, b and between first")

        def work() -> Iterator[Update]:
            head, rows, missing = measure_run(session.write_last_pair(), session.folder / "measured")
            notes = f" Not installed is what measures {missing}: pip install -e .[eval]" if missing else ""
            yield {
                self.pair_message: parts.status(f"Measured as evaluate.py does.{notes}"),
                self.pair_measured: parts.table(head, rows),
            }

        return self._in_turn(self.pair_message, "Measuring; the models take a while to load ...", work)

    # ----------------------------------------------------------------- downloads

    def _download(self, session: Session) -> Iterator[Update]:
        path = session.download()
        size = path.stat().st_size / 2**20
        yield {
            self.downloads: parts.link(path, f"{path.name} ({size:.1f} MB), a folder for evaluate.py", "download-link")
        }


def _titles(spoken: PairTake) -> dict[str, str]:
    found = {"a": "a alone", "b": "b alone"}
    for ending, kind in zip(list(spoken.results)[2:], spoken.kinds, strict=True):
        found[ending] = "between" if len(spoken.kinds) == 1 else f"{kind.weight:g} of a"
    return {ending: f"{title}: {spoken.results[ending].speaker}" for ending, title in found.items()}


def _names_in_use(recording: str | None, more: Sequence[str] | None, taken: Sequence[str]) -> list[Any]:
    """A name whose part a recording gives is greyed out."""
    there = bool(recording or more)
    return [gr.update(interactive=not (there and part in taken)) for part in (VOICE, MANNER)]


def _seed(value: Any) -> int:
    if value is None:
        raise InputError("seed is empty; give a whole number from 0")
    return int(value)


def _close(session: Session | None) -> None:
    if session is not None:
        session.close()
