"""A client of the Cloudflare emulator without opinions of its own, and bodies that it sends."""

from __future__ import annotations

from typing import Any

from tests.support.plain_http import plain_client

Body = dict[str, Any]
A: Body = {"name": "a", "type": "A", "content": "198.18.1.10", "ttl": 300}
TXT: Body = {"name": "t", "type": "TXT", "content": "x", "ttl": 60}
KEY = {"algorithm": 4, "type": 2}
SERVICE = {"priority": 1, "target": "."}
UNKNOWN = "0" * 32


class Client:
    """Calls the API without a client's own opinions."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._http = plain_client(url, headers)

    def __call__(self, method: str, path: str, body: object = None, **query: str | int) -> Any:
        """Return the answer."""
        return self._http.request(method, path, json=body, params=query or None)

    def codes(self, method: str, path: str, body: object = None) -> tuple[int, list[int]]:
        """Return status and codes of a refusal, whose envelope is checked."""
        answer = self(method, path, body)
        envelope = answer.json()
        assert {**envelope, "errors": ...} == {
            "result": None,
            "success": False,
            "errors": ...,
            "messages": [],
        }
        assert "x-should-retry" not in answer.headers
        return answer.status_code, [error["code"] for error in envelope["errors"]]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
