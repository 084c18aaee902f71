"""What the studio's server answers for files that a visit's end removes."""

from __future__ import annotations

import asyncio
import os

import pytest

from studio.server import _Gone

responses = pytest.importorskip("starlette.responses", reason="no Starlette here: make studio")


def answer(app, path: str = "/gradio_api/file=x.wav", headers: tuple = ()) -> tuple[int, bytes, list]:
    """Status, content and messages of a request to `app` behind the middleware."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        await asyncio.sleep(60)

    scope = {"type": "http", "method": "GET", "path": path, "headers": list(headers), "asgi": {"spec_version": "2.4"}}
    asyncio.run(_Gone(app)(scope, receive, send))
    (start,) = [message for message in sent if message["type"] == "http.response.start"]
    return start["status"], b"".join(message.get("body", b"") for message in sent), sent


@pytest.mark.parametrize("headers", [(), ((b"range", b"bytes=0-1"),)])
@pytest.mark.parametrize("known_size", [True, False])
def test_a_file_that_goes_between_the_check_and_the_opening_is_not_found(tmp_path, headers, known_size):
    path = tmp_path / "x.wav"
    path.write_bytes(b"spoken")
    response = responses.FileResponse(path, stat_result=os.stat(path) if known_size else None)
    path.unlink()
    assert answer(response, headers=headers)[:2] == (404, b"")


@pytest.mark.parametrize("content", [b"", b"spoken", bytes(200_000)])
def test_a_file_that_is_there_is_sent_as_it_is(tmp_path, content: bytes):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    assert answer(responses.FileResponse(path))[:2] == (200, content)


def test_other_errors_and_other_paths_are_left_alone(tmp_path):
    async def wrong(scope, receive, send):
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        answer(wrong)
    with pytest.raises(FileNotFoundError):
        answer(responses.FileResponse(tmp_path / "none", stat_result=os.stat(tmp_path)), path="/other")
