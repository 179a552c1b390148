"""Requests to a lab's emulators: answers, refusals with their reason, and silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lab.asking import Answer, ask
from lab.faults import FAILED
from tests.support.faults import fault_shown

Serve = Callable[[int, bytes], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A server with one answer: a body, or else that of the request."""
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")  # never asked
    running: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                shown = body or self.rfile.read(length)
                self.send_response(status)
                self.send_header("Content-Length", str(len(shown)))
                self.end_headers()
                self.wfile.write(shown)

            def log_message(self, *_: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_document_is_sent_and_the_answer_returned(serve: Serve) -> None:
    document = {"zone": "acme.example", "enterprise": True}
    assert ask("POST", serve(200, b""), document) == Answer(False, document)


def test_refusal_has_its_reason(serve: Serve) -> None:
    answer = ask("POST", serve(400, b'{"error": "no such fault"}'))
    assert (answer.is_error, answer.document["error"]) == (True, "no such fault")


def test_server_error_and_silence_are_faults_of_the_lab(serve: Serve) -> None:
    url = serve(500, b"Internal Server Error")
    with fault_shown(FAILED, part="the lab", reason=...) as caught:
        ask("POST", url)
    assert "500" in str(caught.value)
    with fault_shown(FAILED, part="the lab", reason=...):
        ask("POST", "http://127.0.0.1:1/")
