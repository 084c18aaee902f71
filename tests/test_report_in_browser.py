"""report.html in a real browser: players play, sorting sorts, nothing complains, a phone shows it.

Where there is no browser this is skipped, but fails in CI, which installs one first (tests/browser.sh).
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from data.filelist import read_filelist
from evaluation.analyser import Analyser
from evaluation.session import evaluate, write_evaluation
from evaluation.sound import read_sound
from params import Audio
from tests.browser import find_browser, visit
from tests.resynthesis import RATE, TINY, raise_pitch, stretch, write_run

pytestmark = pytest.mark.skipif(
    find_browser() is None and os.environ.get("CI") != "true",
    reason="no chromium here: install one, or run tests/browser.sh as root",
)
NASTY = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'> \"&amp;'"

LOOK = """
const audios = [...document.querySelectorAll('audio')];
await Promise.all(audios.map((audio) => new Promise((done, failed) => {
  if (audio.readyState >= 1) return done();
  audio.addEventListener('loadedmetadata', done);
  audio.addEventListener('error', () => failed(new Error('audio does not load: ' + audio.error.message)));
  audio.load();
})));
audios[0].currentTime = audios[0].duration / 2;
await new Promise((done) => audios[0].addEventListener('seeked', done, {once: true}));
const images = [...document.images];
images.forEach((image) => { image.loading = 'eager'; });
await Promise.all(images.map((image) => image.decode()));
const table = document.getElementById('sentences');
const heading = (name) => [...table.querySelectorAll('th')].find((th) => th.textContent.startsWith(name));
const column = (name) => {
  const index = [...table.querySelectorAll('th')].indexOf(heading(name));
  return [...table.tBodies[0].rows].map((row) => row.cells[index]);
};
const values = (name) => column(name).map((cell) => cell.dataset.value);
const cards = () => [...document.querySelectorAll('.sentence')].map((card) => card.id);
const click = (name) => heading(name).querySelector('button').click();
const seen = {
  players: [...document.querySelectorAll('.sentence')].map(
    (card) => [...card.querySelectorAll('.clip')].map((clip) => clip.querySelector('b').textContent)),
  durations: audios.map((audio) => audio.duration),
  ready: audios.map((audio) => audio.readyState),
  images: images.map((image) => [image.naturalWidth, image.clientWidth]),
  before: values('length'), cardsBefore: cards(),
};
click('length'); seen.up = values('length'); seen.cardsUp = cards();
click('length'); seen.down = values('length'); seen.cardsDown = cards();
seen.sort = heading('length').getAttribute('aria-sort');
click('text'); seen.texts = column('text').map((cell) => cell.textContent);
seen.alone = table.querySelectorAll('th[aria-sort]').length;
seen.width = document.documentElement.clientWidth;
seen.scrollWidth = document.documentElement.scrollWidth;
seen.playerWidths = audios.map((audio) => audio.getBoundingClientRect().width);
seen.fontSize = parseFloat(getComputedStyle(document.body).fontSize);
seen.broken = 'broken' in window;
seen.title = document.title;
return seen;
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "blend"
    utterances = read_filelist(TINY)
    sentences = []
    for i, factor in ((8, 1.3), (0, 1.0), (12, 0.8)):
        b = stretch(read_sound(utterances[i].wav, RATE).audio, factor * 1.0001)
        audio = {"a": raise_pitch(b, 5), "b": b, "ab": raise_pitch(b, 4), "oracle": raise_pitch(b, 5)}
        text = NASTY if i == 0 else utterances[i].text
        sentences.append({"text": text, "speaker": utterances[i].speaker, "emotion": "neutral", "audio": audio})
    write_run(folder, sentences)
    mask = np.zeros((80, 100))
    mask[10:20, 30:60] = 1
    np.save(folder / "0000_mask.npy", mask)
    return folder


@pytest.fixture(scope="module")
def page(run, tmp_path_factory) -> str:
    audio = Audio()
    result = evaluate([run], Analyser(tmp_path_factory.mktemp("cache"), audio, asr="none"), command="make <it>")
    write_evaluation(result, run, audio, sentences=100)
    return (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=[1280, 390], ids=["desktop", "phone"])
def visited(request, page):
    assert find_browser() is not None, "no browser: tests/browser.sh did not install one"
    return visit(page, LOOK, request.param)


def test_every_sentence_has_its_players_side_by_side(visited):
    assert visited.seen["players"] == [["a alone", "b alone", "a and b", "oracle"]] * 3
    assert visited.seen["title"] == "Evaluation of blend"


def test_audio_loads_and_can_be_sought(visited, run):
    durations = [
        len(read_sound(run / f"{i:04d}_{variant}.wav", RATE).audio) / RATE
        for i in range(3)
        for variant in ("a", "b", "ab", "oracle")
    ]
    assert visited.seen["durations"] == pytest.approx(durations, abs=0.05)
    assert all(ready >= 1 for ready in visited.seen["ready"])


def test_pictures_are_there_and_fit(visited):
    images = visited.seen["images"]
    assert len(images) == 3  # one of each sentence
    # readable: on a narrow screen they scroll by themselves
    assert all(natural > 800 and shown >= min(700, visited.seen["width"]) for natural, shown in images)


def test_sorting_sorts_and_the_cards_follow(visited):
    seen = visited.seen
    lengths = [float(value) for value in seen["before"]]
    assert [float(value) for value in seen["up"]] == sorted(lengths) != lengths
    assert [float(value) for value in seen["down"]] == sorted(lengths, reverse=True)
    assert seen["cardsBefore"] == ["s0-0", "s0-1", "s0-2"]
    assert seen["cardsUp"] == ["s0-2", "s0-1", "s0-0"] and seen["cardsDown"] == ["s0-0", "s0-1", "s0-2"]
    assert seen["sort"] == "descending" and seen["alone"] == 1
    # marks come before letters
    assert [text.startswith("</script>") for text in seen["texts"]] == [True] * 4 + [False] * 8


def test_nothing_complains_and_text_stays_text(visited):
    assert visited.console == [] and visited.seen["broken"] is False


def test_it_fits_the_screen(visited):
    seen = visited.seen
    assert seen["scrollWidth"] <= seen["width"]  # wide tables scroll by themselves
    assert seen["fontSize"] >= 14
    assert all(200 <= width <= seen["width"] for width in seen["playerWidths"])


def test_the_console_is_watched(page):
    """The check that nothing complains can fail."""
    assert find_browser() is not None
    broken = page.replace('src="data:image/png', 'src="https://example.invalid/x.png" data-was="', 1)
    assert visit(broken, "return {fine: true};", 800).console


def test_the_page_asks_for_nothing_else(page):
    assert "make &lt;it&gt;" in page and "<script>window.broken" not in page
    for outside in ("http://", "https://", "<link", "@import", "url("):
        assert outside not in page
