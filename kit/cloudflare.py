"""Reads answers of Cloudflare's API: the body decides, not the status.

Cloudflare answers refusals with status 200, and a proxy in between answers 404 or a page of HTML.
Neither is a reading, and neither means that a record is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BASE = "https://api.cloudflare.com/client/v4"
GONE = {1001, 1002, 81044}
"""Codes of an answer with status 404 that mean: the zone or record does not exist."""
TOKEN_CODES = {6003, 6103, 6111, 9103, 9106, 9109, 10000}
"""Codes of a refusal that concerns the token: missing, malformed, unknown, or without the right."""


BLOCK_SECONDS = 300.0
"""How long requests are refused after one too many, where an answer does not say."""


def seconds_refused(headers: Mapping[str, str]) -> float:
    """Return for how long an answer with status 429 says that no request is answered.

    `headers` have names in lower case.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        if text.isdecimal():
            return int(text) * unit
    return BLOCK_SECONDS


@dataclass(frozen=True)
class Answer:
    """An answer: `document` is its JSON object, empty when it has none."""

    status: int
    document: Mapping[str, Any]

    @classmethod
    def of(cls, status: int, body: bytes) -> Answer:
        """Read an answer."""
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        return cls(status, document if isinstance(document, dict) else {})

    @property
    def is_granted(self) -> bool:
        """Whether status and body say yes."""
        return self.status < 300 and self.document.get("success") is True

    @property
    def result(self) -> Any:
        """What a granted request returned."""
        return self.document.get("result")

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """All errors, the causes inside of the old wrapper 1004 included."""
        outer = list(_objects(self.document.get("errors")))
        return outer + [inner for error in outer for inner in _objects(error.get("error_chain"))]

    @property
    def codes(self) -> set[int]:
        """The codes of all errors."""
        codes = (error.get("code") for error in self.errors)
        return {code for code in codes if isinstance(code, int)}

    @property
    def is_gone(self) -> bool:
        """Whether the zone or record does not exist; no other refusal means that."""
        return self.status == 404 and not GONE.isdisjoint(self.codes)

    @property
    def concerns_token(self) -> bool:
        """Whether the token is the reason of a refusal; 10000 is a failure of the service, too."""
        return 400 <= self.status < 500 and not TOKEN_CODES.isdisjoint(self.codes)

    def text(self) -> str:
        """Return all errors in one line: `81044 Record does not exist.`."""
        return "; ".join(
            f"{error.get('code') or ''} {error.get('message')}".strip() for error in self.errors
        )


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON objects in a list; anything else has none."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item
