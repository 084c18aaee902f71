"""The studio as a person uses it, in the system's Chromium.

Where there is no browser, or no Gradio, this is skipped, but fails in CI, which installs them first (tests/browser.sh).
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.pitch import extract_f0
from params import Audio

from .browser import find_browser, free_port
from .tiny_synthesiser import voice_like, write_tiny_checkpoint, write_tiny_vocoder

ROOT = Path(__file__).resolve().parents[1]
MISSING = [name for name in ("gradio", "playwright") if find_spec(name) is None]
MISSING += [] if find_browser() else ["chromium"]
pytestmark = pytest.mark.skipif(
    bool(MISSING) and os.environ.get("CI") != "true",
    reason=f"no {', '.join(MISSING)} here: pip install -e .[studio,browser], and tests/browser.sh as root",
)
SHORT = "Good evening, everyone."
PATIENCE = 180_000  # milliseconds; the machine may be busy
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--mute-audio", "--disable-dev-shm-usage", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "mine.wav"
    soundfile.write(path, voice_like(1.5, 120), 22050)
    return path


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """(address, log, folder of temporary files) of a running studio with the default model."""
    with serving(tmp_path_factory.mktemp("studio")) as served:
        yield served


@pytest.fixture(scope="module")
def hearing_studio(tmp_path_factory):
    """Likewise, with a tiny model that hears."""
    files = tmp_path_factory.mktemp("hearing")
    checkpoint = write_tiny_checkpoint(files / "hears.pt", voice_channels=8)
    vocoder = write_tiny_vocoder(files / "vocoder")
    with serving(tmp_path_factory.mktemp("studio"), "-c", str(checkpoint), "--vocoder", str(vocoder)) as served:
        yield served


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[str, Path, Path]]:
    assert not MISSING, f"no {MISSING}: tests/browser.sh and make test install them"
    port, log = free_port(), folder / "log"
    environment = {**os.environ, "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "studio.py", "--port", str(port), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        end = time.monotonic() + PATIENCE / 1000
        while "http://" not in log.read_text():
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", log, folder
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 130 and "Traceback" not in log.read_text(), log.read_text()
    assert list(folder.glob("studio-*")) == []  # nothing temporary is left


@pytest.fixture(scope="module")
def browser(studio, recording):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=find_browser(), args=[*FLAGS, f"--use-file-for-fake-audio-capture={recording}"]
        )
        yield launched
        launched.close()


@pytest.fixture
def opened(browser, studio):
    """Opens a studio's page at a width; at the end nothing complained, and nothing was asked of anybody else."""
    complaints: list[str] = []
    contexts = []

    def open_page(width: int = 1280, address: str = studio[0]):
        context = browser.new_context(viewport={"width": width, "height": 900}, permissions=["microphone"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: heard(said.type, said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: outside(asked.url, address))
        page.goto(address)
        page.get_by_role("button", name="Speak", exact=True).wait_for()
        return page

    def heard(kind: str, text: str) -> None:
        # Of a file that is no sound the player says so, too.
        if kind == "error" and not text.startswith("Waveform load error"):
            complaints.append(text)

    def outside(url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            complaints.append(f"asked for {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def write(page, text: str) -> None:
    page.locator("#text textarea").fill(text)


def speak(page, text: str = SHORT) -> None:
    write(page, text)
    page.get_by_role("button", name="Speak", exact=True).click()
    page.wait_for_function("document.querySelector('#message')?.textContent.includes('s of audio')")
    page.locator("#spoken").wait_for()


def switch(page, group: str, choice: str) -> None:
    """A box of a group of boxes, which have no names of their own."""
    page.locator(f"#{group} label", has_text=choice).locator("input").click()


def test_a_checkpoint_that_hears_takes_what_is_ticked(opened, hearing_studio, recording):
    page = opened(390, hearing_studio[0])
    page.locator("#speak-recording-part button").first.click()
    page.locator("#speak-recording input[type=file]").set_input_files(recording)
    given(page)
    page.locator("#speak-more input[type=file]").set_input_files([recording])
    page.wait_for_function("document.querySelector('#speak-more')?.textContent.includes('mine')")
    page.locator("#speak-voice input:disabled").wait_for()  # the recording gives it
    for part in ("melody", "voice", "manner"):
        switch(page, "speak-taken", part)
    page.locator("#speak-manner input:enabled").wait_for()
    page.get_by_role("button", name="Speak", exact=True).click()
    assert refusal(page).startswith("nothing of the recording is taken; tick")
    page.locator("#speak-voice input:enabled").wait_for()
    for part in ("melody", "manner"):
        switch(page, "speak-taken", part)
    page.locator("#speak-manner input:disabled").wait_for()
    speak(page)
    page.locator("#notes .warning").first.wait_for()
    assert "style: manner, melody of recording-" in page.locator("#notes").inner_text()
    command = page.locator("#command textarea").input_value()
    assert "-s anna" in command and "--take manner,melody" in command and "--emotion" not in command
    assert fits(page)


def test_two_styles_of_a_checkpoint_that_hears(opened, hearing_studio, recording):
    page = opened(1280, hearing_studio[0])
    page.get_by_role("tab", name="Two styles").click()
    page.locator("#b-recording-part button").first.click()
    page.locator("#b-recording input[type=file]").set_input_files(recording)
    page.locator("#b-recording #duration").wait_for()
    switch(page, "b-taken", "manner")
    page.locator("#b-manner input:enabled").wait_for()
    page.locator("#kind input").click()
    page.get_by_role("option", name="same-time", exact=True).click()
    page.locator("#same-time-from_a").wait_for()
    switch(page, "same-time-from_a", "energy")
    page.locator("#speak-pair").click()
    page.locator("#pair-picture img").wait_for()
    command = page.locator("#pair-command textarea").input_value()
    assert "--take2 voice,melody" in command and "--emotion2 neutral" in command and "--from-a pitch,energy" in command
    assert "b: voice, melody of recording-" in page.locator("#pair-notes").inner_text()
    assert fits(page)


def given(page) -> None:
    """Until a recording has arrived."""
    page.locator("#speak-recording #duration").wait_for()


def sound_of(page, name: str) -> np.ndarray:
    """The samples that a player has."""
    source = page.locator(f"#{name}").get_attribute("src")
    with wave.open(io.BytesIO(page.request.get(page.url.rstrip("/") + source).body())) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), np.int16) / 32768


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def refusal(page, where: str = "#message") -> str:
    page.locator(f"{where} [role=alert]").wait_for()
    return page.locator(where).inner_text().strip()


@pytest.mark.parametrize("width", [1280, 390])
def test_speaking_shows_a_player_a_picture_and_the_command(opened, width):
    page = opened(width)
    speak(page, f"{SHORT} It is late.")
    page.wait_for_function("document.querySelector('#spoken').duration > 1")
    page.locator("#picture img").wait_for()
    assert page.evaluate("studio.stream.urls.length") == 2  # sentence by sentence
    assert "RTF" in page.locator("#message").inner_text()
    assert "python inference.py" in page.locator("#command textarea").input_value()
    assert fits(page)
    for tab in ("Shape", "Two styles"):
        page.get_by_role("tab", name=tab).click()
        page.locator("#speak-again" if tab == "Shape" else "#speak-pair").wait_for()
        page.wait_for_timeout(300)
        assert fits(page), tab


def test_an_uploaded_recording_gives_its_melody(opened, recording):
    page = opened()
    page.locator("#speak-recording-part button").first.click()
    page.locator("#speak-recording input[type=file]").set_input_files(recording)
    given(page)
    speak(page)
    assert "--ref recording-" in page.locator("#command textarea").input_value()
    f0 = extract_f0(sound_of(page, "spoken").astype(np.float32), Audio())
    # the recording rises from 120 to 180 Hz
    assert 100 < np.median(f0[f0 > 0]) < 195


def test_the_microphone_gives_a_recording(opened):
    page = opened()
    page.locator("#speak-recording-part button").first.click()
    page.locator("#speak-recording").get_by_label("Record audio", exact=False).first.click()
    page.locator("#speak-recording").get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(2500)
    page.locator("#speak-recording").get_by_role("button", name="Stop", exact=True).first.click()
    given(page)
    speak(page)
    assert "--ref recording-" in page.locator("#command textarea").input_value()


def moved_by(before: np.ndarray, after: np.ndarray, word: dict) -> float:
    """Semitones: the median over the frames of a word that are voiced in both."""
    audio = Audio()
    frame = audio.hop_length / audio.sample_rate
    inside = slice(round(word["start"] / frame), round(word["end"] / frame))
    f0 = np.stack([extract_f0(samples.astype(np.float32), audio)[inside] for samples in (before, after)])
    first, second = f0[:, (f0 > 0).all(0)]
    return float(12 * np.median(np.log2(second / first)))


def settled(page, *locators) -> list[dict[str, float]]:
    """Where things are once the page no longer moves them."""
    before = None
    for _ in range(100):
        boxes = [locator.bounding_box() for locator in locators]
        if None not in boxes and boxes == before:
            return boxes
        before = boxes
        page.wait_for_timeout(300)
    raise AssertionError("the page does not come to rest")


def test_a_word_dragged_up_by_three_semitones_is_spoken_so(opened):
    page = opened()
    speak(page, "We never leave before noon.")
    before = sound_of(page, "spoken")
    page.get_by_role("tab", name="Shape").click()
    page.locator(".shape-plot svg").wait_for()
    box, plot = settled(page, page.locator(".shape-plot .over").nth(1), page.locator(".shape-plot image"))
    low, high = Audio().f0_min, Audio().f0_max
    up = plot["height"] * 3 / (12 * np.log2(high / low))  # three semitones on the axis
    across, down = box["x"] + box["width"] / 2, plot["y"] + plot["height"] / 2
    page.mouse.move(across, down)
    page.mouse.down()
    page.mouse.move(across, down - up, steps=8)
    page.mouse.up()
    asked = page.evaluate("studio.edits().words[1].pitch")
    assert asked == pytest.approx(3, abs=0.15)
    page.locator("#speak-again").click()
    page.locator("#shape-before").wait_for()
    after = sound_of(page, "shape-now")
    assert len(after) == len(before)
    words = page.evaluate("studio.given().words")
    moved = [moved_by(before, after, word) for word in words]
    assert moved[1] == pytest.approx(3, abs=0.6)
    assert all(abs(moved[i]) < 0.6 for i in (0, 3, 4)), moved
    assert '<prosody pitch="+3st">never</prosody>' in page.locator("#shape-command textarea").input_value()
    page.locator("#back").click()
    page.wait_for_function("studio.edits().words[1].pitch === 0")


def test_a_melody_is_drawn_and_words_are_reached_by_keyboard(opened):
    page = opened(390)
    speak(page, "We never leave before noon.")
    page.locator("#autoplay input").uncheck()
    page.get_by_role("tab", name="Shape").click()
    page.locator(".shape-plot svg").wait_for()
    page.get_by_role("slider", name="pitch of leave").focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("studio.edits().words[2].pitch") == 2.5
    page.get_by_label("length of leave").fill("1.5")
    page.keyboard.press("Tab")
    page.get_by_label("draw", exact=True).check()
    (plot,) = settled(page, page.locator(".shape-plot image"))
    page.mouse.move(plot["x"] + 30, plot["y"] + 60)
    page.mouse.down()
    page.mouse.move(plot["x"] + 200, plot["y"] + 100, steps=5)
    page.mouse.up()
    assert page.evaluate("studio.edits().drawn.length") > 50
    page.locator("#speak-again").click()
    page.locator("#shape-before").wait_for()
    assert page.evaluate("studio.stream.urls.length === 1 && !studio.stream.audio")  # told, and not played
    assert "--contour 0001_contour.csv" in page.locator("#shape-command textarea").input_value()
    contour = page.request.get(page.url.rstrip("/") + page.locator("#contour-link").get_attribute("href")).text()
    assert contour.startswith("seconds,hz\n") and contour.count("\n") > 50


def test_a_sweep_of_five_and_its_download(opened):
    page = opened()
    write(page, SHORT)
    page.get_by_role("tab", name="Two styles").click()
    page.locator("#sweep").click()
    page.locator("#pair-ab_1").wait_for()
    page.locator("#pair-picture img").wait_for()
    names = page.evaluate("[...document.querySelectorAll('#pair-heard audio')].map((audio) => audio.id)")
    assert names == ["pair-a", "pair-b", *(f"pair-ab_{weight}" for weight in ("0", "0.25", "0.5", "0.75", "1"))]
    assert "--weights 0,0.25,0.5,0.75,1" in page.locator("#pair-command textarea").input_value()
    with page.expect_download() as waiting:
        page.locator("#download").click()
    assert waiting.value.suggested_filename.endswith(".zip")


def test_a_visit_ends_with_its_tab(opened, studio):
    def visits() -> set[Path]:
        return set(studio[2].glob("studio-*/visit-*"))

    before = visits()
    page = opened()
    speak(page)
    (own,) = visits() - before
    assert list(own.glob("*/0000.wav"))
    page.context.close()
    end = time.monotonic() + PATIENCE / 1000
    while own in visits():
        assert time.monotonic() < end, "what was spoken for a tab that was closed is still there"
        time.sleep(0.1)


def test_a_second_tab_waits_and_says_so(opened):
    first, second = opened(), opened()
    write(first, " ".join([SHORT] * 8))
    write(second, SHORT)
    first.get_by_role("button", name="Speak", exact=True).click()
    # By the clock: a tab behind another one draws no frames.
    begun = "/Sentence [0-9]+ of 8/.test(document.querySelector('#message')?.textContent)"
    first.wait_for_function(begun, polling=50)
    second.get_by_role("button", name="Speak", exact=True).click()
    waiting = "document.querySelector('#message')?.textContent.includes('one other before you')"
    second.wait_for_function(waiting, polling=50)
    second.locator("#spoken").wait_for()
    assert first.locator("#spoken").count() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 2**21, "the text has 2097152 characters, more than 1000; shorten it"),
        ("Hello <script>window.broken = 1</script> there.", "the text holds the tag <script>"),
        ("<speak>One <audio src='x'/> two.</speak>", "<audio> is not known here"),
        ("   ", "there is no text"),
        ("?!", "nothing to speak"),
    ],
    ids=["2 MB", "script", "markup", "blank", "marks"],
)
def test_what_cannot_be_spoken_is_one_clear_message(opened, text, message):
    page = opened()
    write(page, text)
    page.get_by_role("button", name="Speak", exact=True).click()
    said = refusal(page)
    assert message in said and "\n" not in said and "Traceback" not in said
    assert page.evaluate("'broken' in window") is False


def test_a_video_is_refused(opened, tmp_path):
    video = tmp_path / "clip.wav"  # by another name, so that no file dialogue has sorted it out
    video.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(20000))
    page = opened()
    page.locator("#speak-recording-part button").first.click()
    page.locator("#speak-recording input[type=file]").set_input_files(video)
    page.locator("#speak-recording #duration").wait_for(state="attached")  # hidden, if no player could be made
    page.get_by_role("button", name="Speak", exact=True).click()
    assert refusal(page).startswith("clip.wav cannot be read as audio; give wav, flac, ogg or mp3")


def test_it_answers_this_machine_alone(studio):
    port = int(studio[0].rsplit(":", 1)[1])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    if not others:
        pytest.skip("this machine's name has no address but 127.0.0.1, so there is no other one to ask")
    for address in others:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port)) != 0


def test_another_sites_name_for_this_machine_is_refused(studio):
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(studio[0], headers={"Host": "elsewhere.example"}))
    assert "default-src 'self'" in urlopen(studio[0]).headers["content-security-policy"]
