"""`python studio.py`: the studio in a browser on this machine."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common.arguments import DEVICES, Parser, whole
from common.errors import InputError, reports_input_errors
from common.processes import MOST_THREADS, cores, wait_briefly

HOST = "127.0.0.1"
MOST_UPLOAD = "20mb"
MOST_SECONDS_TO_END = 30.0  # that a computation has to come to an end

# Nothing is loaded from elsewhere, and nothing is sent there. Gradio's page has scripts in itself and makes functions.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' data: blob:; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
_BEGAN = time.perf_counter()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--checkpoint", default="checkpts/default.pt", help="default: %(default)s")
    parser.add_argument("--vocoder", help="as for inference.py")
    parser.add_argument("--port", type=whole(1, 65535), default=7860, help="default: %(default)s")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: %(default)s")
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), help="of the CPU; default: as torch chooses")
    return parser


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    if not os.path.isfile(args.checkpoint):
        raise InputError(f"{args.checkpoint}: no such file; check the path")
    _check_port(args.port)
    root = Path(tempfile.mkdtemp(prefix="studio-"))
    try:
        _serve(args, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(f"port {port} cannot be used ({error.strerror}); give another by --port") from error


def _serve(args: argparse.Namespace, root: Path) -> None:
    os.environ |= {
        "GRADIO_TEMP_DIR": str(root / "uploads"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
    }
    wait_briefly()
    if find_spec("gradio") is None:
        raise InputError("the studio needs Gradio; make studio installs it, or: pip install -e .[studio]")
    loading = _Beside(lambda: _load(args))  # both take seconds, and one waits for files while the other computes
    try:
        import gradio as gr
    finally:
        loading.wait()  # torch must not be at work when the process ends
    synthesiser = loading.result()
    if synthesiser.params.style.takes_embeddings:
        raise InputError(f"{args.checkpoint} takes embeddings from files instead of names; speak with inference.py")
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from studio.page import Page, asset
    from studio.session import MOST_VISITS
    from studio.turns import Turns

    turns = Turns()
    page = Page(synthesiser, args.checkpoint, root, turns, args.vocoder)
    page.blocks.queue(default_concurrency_limit=None, max_size=MOST_VISITS)
    page.blocks.launch(
        server_name=HOST,
        server_port=args.port,
        quiet=True,
        share=False,
        inbrowser=False,
        prevent_thread_lock=True,
        ssr_mode=False,
        show_error=False,
        run_history=False,
        footer_links=[],
        enable_monitoring=False,
        max_file_size=MOST_UPLOAD,
        allowed_paths=[str(root)],
        state_session_capacity=MOST_VISITS,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=asset("page.css"),
        head=f"<script>{asset('page.js')}</script>",
        app_kwargs={
            "middleware": [
                Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
                Middleware(_Policy),
                Middleware(_Gone),
            ],
            "docs_url": None,
            "redoc_url": None,
        },
    )
    took = time.perf_counter() - _BEGAN
    print(f"The studio is at http://{HOST}:{args.port} after {took:.1f} s; Ctrl-C ends it.", flush=True)
    warming = _Beside(lambda: _warm_up(synthesiser, turns))
    try:
        while True:
            time.sleep(3600)
    finally:
        turns.end(MOST_SECONDS_TO_END)  # torch must not be at work when the process ends
        page.blocks.close(verbose=False)
        warming.wait()


def _load(args: argparse.Namespace) -> Any:
    import torch

    from synthesis import load_model

    if args.threads is not None:
        torch.set_num_threads(min(args.threads, cores()))
    return load_model(args.checkpoint, args.vocoder, args.device, precision="auto")


def _warm_up(synthesiser: Any, turns: Any) -> None:
    """The first text takes twice as long as every other."""
    with turns.join() as ticket:
        ticket.wait(60)
        synthesiser.synthesise("One.", steps=1)


class _Beside:
    """A computation in a thread of its own."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._value: Any = None
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._value = work()
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def result(self) -> Any:
        """Raises what the computation raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._value


class _Policy:
    """Middleware that puts the policy on every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, with_policy)


class _Gone:
    """Middleware: a file that its visit's end has removed meanwhile is not found.

    Starlette begins the answer before it opens the file, so the beginning waits here for the first bytes.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or "/file=" not in scope["path"]:
            await self._app(scope, receive, send)
            return
        start: list[Any] = []
        begun = False

        async def later(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                start.append(message)
                return
            begun = True
            while start:
                await send(start.pop())
            await send(message)

        try:
            await self._app(scope, receive, later)
        except (FileNotFoundError, RuntimeError) as error:  # Starlette puts the former into the latter's words
            if begun or not isinstance(error.__context__ or error, FileNotFoundError):
                raise
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
