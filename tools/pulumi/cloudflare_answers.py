"""Judges answers of Cloudflare's API: the body decides, not the status.

Cloudflare answers refusals with status 200, and a proxy in between answers 404 or a page of HTML.
Neither is a reading, and neither means that a record is gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tools.pulumi.cloudflare_records import is_written

GONE = {1001, 1002, 81044}
"""Codes of an answer with status 404 that mean: the zone or record does not exist."""
CONFLICTS = {81053, 81054, 81055, 81056, 81057, 81058}
"""Codes of a refused record at whose name there is another one, or itself."""
RECORDS = re.compile(r".*/zones/[^/]+/dns_records")
RECORD = re.compile(r".*/zones/[^/]+/dns_records/[0-9a-f]{32}")
ZONES = re.compile(r".*/zones")
ZONE = re.compile(r".*/zones/[0-9a-f]{32}")
RECORD_FIELDS = ("id", "name", "type", "content")
ZONE_FIELDS = ("id", "name")


@dataclass(frozen=True)
class Answer:
    """An answer: `document` is its JSON object, None when it has none."""

    status: int
    document: Mapping[str, Any] | None

    @classmethod
    def of(cls, status: int, body: bytes) -> Answer:
        """Read an answer."""
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        return cls(status, document if isinstance(document, dict) else None)

    @property
    def result(self) -> Any:
        """What a granted request returned."""
        return self.document.get("result") if self.document else None

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """All errors, the causes inside of the old wrapper 1004 included."""
        listed = self.document.get("errors") if self.document else None
        errors: list[Mapping[str, Any]] = [e for e in listed or () if isinstance(e, dict)]
        for outer in list(errors):
            errors += [inner for inner in outer.get("error_chain") or () if isinstance(inner, dict)]
        return errors

    @property
    def codes(self) -> set[Any]:
        """The codes of all errors."""
        return {error.get("code") for error in self.errors}

    @property
    def is_gone(self) -> bool:
        """Whether the zone or record does not exist; no other refusal means that."""
        return self.status == 404 and not GONE.isdisjoint(self.codes)

    def text(self) -> str:
        """Return all errors in one line: `81044 Record does not exist.`."""
        return "; ".join(
            f"{error.get('code') or ''} {error.get('message')}".strip() for error in self.errors
        )

    def mistake(self, method: str, path: str) -> str | None:
        """Return why a successful status is no yes; None when the body says yes too."""
        if self.document is None:
            return "the answer is not JSON"
        if self.document.get("success") is not True:
            return f"refused with status {self.status}: {self.text() or 'no explanation'}"
        if not _is_expected(method, path, self.result):
            return "the answer has no result of the expected kind"
        return None


def written(body: Mapping[str, Any], listed: Iterable[Any]) -> Mapping[str, Any] | None:
    """Return the record that an earlier try of a refused POST has written, if there is one.

    It carries the mark of the body in its comment, and differs in nothing.
    """
    records = (record for record in listed if isinstance(record, dict))
    return next((record for record in records if is_written(body, record)), None)


def _is_expected(method: str, path: str, result: Any) -> bool:
    if method == "DELETE" and (RECORD.fullmatch(path) or ZONE.fullmatch(path)):
        return _has(result, ("id",))
    if method == "GET" and (RECORDS.fullmatch(path) or ZONES.fullmatch(path)):
        fields = ZONE_FIELDS if ZONES.fullmatch(path) else RECORD_FIELDS
        return isinstance(result, list) and all(_has(entry, fields) for entry in result)
    if RECORDS.fullmatch(path) or RECORD.fullmatch(path):
        return _has(result, RECORD_FIELDS)
    if ZONES.fullmatch(path) or ZONE.fullmatch(path):
        return _has(result, ZONE_FIELDS)
    return True


def _has(result: Any, fields: Iterable[str]) -> bool:
    return isinstance(result, dict) and all(result.get(field) for field in fields)
