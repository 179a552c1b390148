"""A tenant API that records the last request of the command line, and answers with a document."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

from cli.environment import Environment
from tests.support.command_line import run

Answer = Callable[[str, str, dict[str, Any]], object]
"""Returns a document for method, path below `/api/v1` and body of a request."""


class RecordingApi:
    """Answers requests; those who use it set `PENGUIN_API_URL` and `PENGUIN_API_KEY`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.path = ""
        """Below `/api/v1`; empty before the first request."""
        self.query: dict[str, str] = {}
        self.body: dict[str, Any] = {}
        """Of the last POST."""

    def penguin(self, *arguments: str) -> int:
        """Run `penguin` against it, without pauses."""
        transport = httpx2.MockTransport(self._respond)
        return run(*arguments, environment=Environment(lambda _: None, transport))

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        self.query = dict(request.url.params)
        if request.method == "POST":
            self.body = json.loads(request.content or "{}")
        self.path = request.url.path.removeprefix("/api/v1")
        document = self._answer(request.method, self.path, self.body)
        return httpx2.Response(200, json=document, request=request)
