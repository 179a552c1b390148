"""Judges answers to the requests of a Cloudflare plugin by what each of them must return."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kit.cloudflare import Answer
from tools.pulumi.cloudflare_records import is_written

CONFLICTS = {81053, 81054, 81055, 81056, 81057, 81058}
"""Codes of a refused record at whose name there is another one, or itself."""
RECORDS = re.compile(r".*/zones/[^/]+/dns_records")
RECORD = re.compile(r".*/zones/[^/]+/dns_records/[0-9a-f]{32}")
ZONES = re.compile(r".*/zones")
ZONE = re.compile(r".*/zones/[0-9a-f]{32}")
RECORD_FIELDS = ("id", "name", "type", "content")
ZONE_FIELDS = ("id", "name")


def mistake(answer: Answer, method: str, path: str) -> str | None:
    """Return why a successful status is no yes; None when the body says yes too."""
    if not answer.document:
        return "the answer is not a JSON object"
    if not answer.is_granted:
        return f"refused with status {answer.status}: {answer.text() or 'no explanation'}"
    if not _is_expected(method, path, answer.result):
        return "the answer has no result of the expected kind"
    return None


def written(body: Mapping[str, Any], listed: Iterable[Any]) -> Mapping[str, Any] | None:
    """Return the record that an earlier try of a refused POST has written, if there is one.

    It carries the mark of the body in its comment, and differs in nothing.
    """
    records = (record for record in listed if isinstance(record, dict))
    return next((record for record in records if is_written(body, record)), None)


def _is_expected(method: str, path: str, result: Any) -> bool:
    for one, many, fields in ((RECORD, RECORDS, RECORD_FIELDS), (ZONE, ZONES, ZONE_FIELDS)):
        if one.fullmatch(path):
            is_the_one = _has(result, ("id",)) and result["id"] == path.rpartition("/")[2]
            return is_the_one and (method == "DELETE" or _has(result, fields))
        if many.fullmatch(path) and method == "GET":
            return isinstance(result, list) and all(_has(entry, fields) for entry in result)
        if many.fullmatch(path):
            return _has(result, fields)
    return True


def _has(result: Any, fields: Iterable[str]) -> bool:
    return isinstance(result, dict) and all(result.get(field) for field in fields)
