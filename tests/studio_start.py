"""How long the studio takes from its start to the first page, and to the first sound, in the system's Chromium.

python -m tests.studio_start            # make studio, in a place where it was made before
python -m tests.studio_start --python   # what make runs, without make
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.browser import find_browser, free_port

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180.0  # seconds
FLAGS = ("--no-sandbox", "--disable-gpu", "--mute-audio", "--disable-dev-shm-usage",
         "--autoplay-policy=no-user-gesture-required")  # fmt: skip


def measure(command: list[str], port: int) -> tuple[float, float]:
    """Seconds from the command's start until the page has its button, and until a sentence plays.

    The browser is open before, and the button is pressed as soon as it is there.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        began = time.monotonic()
        studio = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            _wait_for(port, studio, began + PATIENCE)
            page.goto(f"http://127.0.0.1:{port}")
            button = page.get_by_role("button", name="Speak", exact=True)
            button.wait_for()
            first_page = time.monotonic() - began
            button.click()
            page.wait_for_function("studio.stream.heard > 0", polling=20)
            return first_page, time.monotonic() - began
        finally:
            if studio.poll() is None:
                os.killpg(studio.pid, signal.SIGINT)  # make and what it runs
            studio.wait(60)
            browser.close()


def _wait_for(port: int, studio: subprocess.Popen, end: float) -> None:
    """Until the studio answers, without keeping a browser busy."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if studio.poll() is not None or time.monotonic() > end:
                raise SystemExit("the studio has not come up") from None
            time.sleep(0.02)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.studio_start", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", action="store_true", help="python studio.py instead of make studio")
    args = parser.parse_args()
    port = free_port()
    command = ["make", "-s", "studio", f"PORT={port}"]
    if args.python:
        command = [sys.executable, "studio.py", "--port", str(port)]
    first_page, first_sound = measure(command, port)
    print(
        f"{' '.join(command[:3])}: the first page after {first_page:.1f} s, the first sound after {first_sound:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
