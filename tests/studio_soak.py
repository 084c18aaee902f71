"""The studio under four people at once, in the system's Chromium; its memory must not grow.

python -m tests.studio_soak                # for an hour
python -m tests.studio_soak --minutes 5

Each speaks one sentence after another, some of them as a sweep of two styles, and comes anew every now and then.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from tests.browser import find_browser, free_port
from tests.soak import resident_mb, texts

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ("--no-sandbox", "--disable-gpu", "--mute-audio", "--disable-dev-shm-usage")
CLIENTS, EVERY = 4, 10  # minutes between two lines
MOST_GROWTH = 0.10  # after the first ten minutes
SWEEPS, VISITS = 0.1, 25  # share of sweeps; texts of one visit
REST = 10.0  # seconds at most that somebody listens before the next text
PATIENCE = 900.0  # seconds for one text
_SAID = "message => document.querySelector(message)?.textContent?.trim() ?? ''"
_BUSY = ("Waiting", "Speaking", "Sentence", "Drawing")


class Client:
    """One person's page."""

    def __init__(self, browser, address: str, number: int) -> None:
        self._browser, self._address = browser, address
        self._dice = random.Random(number)
        self._texts = texts(5000)[number::CLIENTS]
        self.spoken, self.said, self._rests = 0, "", 0.0
        self._context = None
        self._come()

    def _come(self) -> None:
        if self._context is not None:
            self._context.close()
        self._context = self._browser.new_context()
        self._page = self._context.new_page()
        self._page.set_default_timeout(PATIENCE * 1000)
        self._page.goto(self._address)
        self._page.get_by_role("button", name="Speak", exact=True).wait_for()
        self._ask()

    def _ask(self) -> None:
        self._sweep = self._dice.random() < SWEEPS
        self._page.get_by_role("tab", name="Two styles" if self._sweep else "Speak").click()
        self._page.locator("#text textarea").fill(self._texts[self.spoken % len(self._texts)])
        self._before, self._busy = self._message(), False
        button = self._page.get_by_role("button", name="Speak", exact=True)
        (self._page.locator("#sweep") if self._sweep else button).click()
        self._asked = time.monotonic()

    def _message(self) -> str:
        return self._page.evaluate(_SAID, "#pair-message" if self._sweep else "#message")

    def look(self) -> bool:
        """Whether the text has just been answered; the next one is asked for after a while.

        Raises TimeoutError after `PATIENCE`.
        """
        if self._rests:
            if time.monotonic() > self._rests:
                self._rests = 0.0
                (self._ask if self.spoken % VISITS else self._come)()
            return False
        said = self._message()
        busy = said.startswith(_BUSY)
        self._busy |= busy
        if busy or not said or (said == self._before and not self._busy):
            if time.monotonic() - self._asked > PATIENCE:
                raise TimeoutError(f"no answer within {PATIENCE:.0f} s to text {self.spoken}: {said!r}")
            return False
        self.said = said
        self.spoken += 1
        self._rests = time.monotonic() + self._dice.uniform(0, REST)
        return True


def watch(clients: list[Client], studio: int, minutes: float) -> tuple[list[float], set[str]]:
    """MB of the studio's process every `EVERY` minutes, and answers that tell of no sound.

    A computation at work has up to a hundred MB of its own, so it is the median of the last two minutes.
    """
    began, seen, odd = time.monotonic(), [], set()
    recent: deque[tuple[float, float]] = deque()  # minutes, MB
    while (passed := (time.monotonic() - began) / 60) < minutes:
        for client in clients:
            if client.look() and "of audio" not in client.said and "versions" not in client.said:
                odd.add(client.said)
        if not recent or passed > recent[-1][0] + 1 / 60:
            recent.append((passed, resident_mb(studio)))
        while recent[0][0] < passed - 2:
            recent.popleft()
        if passed >= (len(seen) + 1) * min(EVERY, minutes / 2):
            seen.append(statistics.median(mb for _, mb in recent))
            print(f"{passed:5.1f} minutes  {seen[-1]:7.1f} MB  {[one.spoken for one in clients]} answers", flush=True)
        time.sleep(0.1)
    return seen, odd


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.studio_soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        log = Path(folder) / "log"
        with open(log, "wb") as out:
            studio = subprocess.Popen(
                [sys.executable, "studio.py", "--port", str(port)], cwd=ROOT, stdout=out, stderr=out
            )
        try:
            while address not in log.read_text():
                if studio.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.2)
            browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
            clients = [Client(browser, address, number) for number in range(CLIENTS)]
            seen, odd = watch(clients, studio.pid, args.minutes)
            browser.close()
        finally:
            studio.send_signal(signal.SIGINT)
            code = studio.wait(60)
        traceback = "Traceback" in log.read_text()
    growth = max(seen) / seen[0] - 1
    count = sum(client.spoken for client in clients)
    print(f"code {code}, {count} answers, tracebacks: {traceback}; memory at most {growth:+.1%} over the first look")
    for said in sorted(odd):
        print(f"also said: {said}")
    return int(code != 130 or traceback or not growth <= MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
