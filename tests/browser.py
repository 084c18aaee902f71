"""Opens a page in a real headless browser, lets a script look at it there, and brings back what it saw."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from evaluation.page import script_hash

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --mute-audio --enable-logging=stderr"
)
_CONSOLE = re.compile(r":(?:INFO|WARNING|ERROR):CONSOLE[^\]]*\] (.*)")


def find_browser() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Visit:
    """What the script returned, and what the browser wrote to the console."""

    seen: dict[str, Any]
    console: list[str]


def visit(page: str, script: str, width: int, height: int = 900, seconds: float = 90) -> Visit:
    """Open a self-contained page from a file, in a frame as wide as asked (a window has a least width).

    script: JavaScript of an async function's body that runs in the page after it has loaded and returns an object.

    Raises:
        AssertionError: the script failed, or said nothing in time.
    """
    received: dict[str, Any] = {}
    arrived = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *args: object) -> None:
            pass

    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        HTTPServer(("127.0.0.1", 0), Handler) as server,
    ):
        folder = Path(name)
        (folder / "page.html").write_text(_with_script(page, script), encoding="utf-8")
        (folder / "frame.html").write_text(
            "<!DOCTYPE html><script>addEventListener('message', (event) => fetch("
            f"'http://127.0.0.1:{server.server_port}/', {{method: 'POST', mode: 'no-cors', body: event.data}}));"
            "</script>"
            f'<iframe src="page.html" style="width: {width}px; height: {height}px; border: 0"></iframe>',
            encoding="utf-8",
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        log = folder / "log"
        command = [find_browser(), *FLAGS.split(), f"--user-data-dir={folder / 'profile'}",
                   (folder / "frame.html").as_uri(), "--remote-debugging-port=0"]  # fmt: skip
        with open(log, "wb") as stderr:
            browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True)
        try:
            arrived.wait(seconds)
        finally:
            os.killpg(browser.pid, signal.SIGTERM)
            _wait(browser)
            server.shutdown()
        written = log.read_text(encoding="utf-8", errors="replace")
        assert received, f"the page said nothing in {seconds} s:\n{written[-2000:]}"
    assert "failure" not in received, received["failure"]
    return Visit(received, _CONSOLE.findall(written))


def _with_script(page: str, script: str) -> str:
    own = (
        "addEventListener('load', async () => { let seen;"
        f"try {{ seen = await (async () => {{ {script} }})(); }} catch (error) {{ seen = {{failure: String(error)}}; }}"
        "parent.postMessage(JSON.stringify(seen), '*'); });"
    )
    page = page.replace("script-src '", f"script-src '{script_hash(own)}' '", 1)
    return page.replace("</body>", f"<script>{own}</script></body>", 1)


def _wait(browser: subprocess.Popen) -> None:
    try:
        browser.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
    time.sleep(0.1)  # its helpers write to the profile for a moment longer
