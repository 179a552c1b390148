"""A client of admin without opinions of its own, which remembers what it called."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from tests.support.plain_http import plain_client

API = "/api/v1"
Answer = httpx2.Response
Headers = dict[str, str]
NO_TOKEN: Headers = {}

route = pytest.mark.route
"""`@route("GET /api/v1/user")`: a test calls this route."""


class Client:
    """Calls admin, with the right token unless other headers are given."""

    def __init__(self, root: str, token: str) -> None:
        self.token = token
        self.calls: list[str] = []
        self._http = plain_client(root)
        self._http.timeout = 60

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Headers | None = None,
        extra: Headers | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Call the API; `extra` are headers beside the token."""
        given = {"Authorization": self.token} if headers is None else headers
        sent = {**given, **(extra or {})}
        return self.plain(method, API + path, body, headers=sent, content=content)

    def plain(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Headers | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Call any path of admin, without a token."""
        self.calls.append(f"{method} {path}")
        return self._http.request(method, path, json=body, headers=headers, content=content)

    def made(self, path: str, body: dict[str, Any]) -> None:
        """Make an object."""
        assert_message(self("POST", path, body), 200)

    def shown(self, path: str, extra: Headers | None = None) -> Any:
        """Return what a path shows."""
        answer = self("GET", path, extra=extra)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def map(self, path: str) -> Any:
        """Return an answer of the maps of Postfix: a JSON text, or None for 404."""
        answer = self.plain("GET", f"/internal/postfix/{path}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return answer.json()

    def called(self, route_of_table: str) -> bool:
        """Whether a route was called."""
        method, path = route_of_table.split(" ")
        parts = re.split(r"\{\w+(\*?)\}", path)
        patterns = {"*": ".+", "": "[^/]+"}
        text = "".join(re.escape(p) if not i % 2 else patterns[p] for i, p in enumerate(parts))
        return any(re.fullmatch(f"{method} {text}", call) for call in self.calls)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def assert_message(answer: Answer, code: int, status: int | None = None) -> None:
    """`{code, message}`: code and status are equal but for the one odd answer."""
    assert answer.status_code == (status or code), answer.text
    body = answer.json()
    assert set(body) == {"code", "message"}
    assert body["code"] == code
    assert isinstance(body["message"], str)


def assert_plain_message(answer: Answer, status: int) -> None:
    """`{message}` only."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"message"}


def assert_invalid(answer: Answer, *fields: str) -> None:
    """`{errors, message}`, the errors by field."""
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert set(body) == {"errors", "message"}
    assert set(body["errors"]) == set(fields)
    assert all(isinstance(text, str) for text in body["errors"].values())


def assert_page(answer: Answer, status: int) -> None:
    """An HTML page."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
