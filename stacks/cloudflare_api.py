"""The program's own requests to Cloudflare, before anything is declared.

The body of an answer decides: granted is what says `success`, whatever the status is. Readings are
repeated here and nowhere else, writes never.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from hostwinds.journal import Fence
from kit.cloudflare import BASE, Answer, seconds_refused
from kit.faults import Fault
from kit.web import without_redirects
from stacks.cloudflare_rate import refuse, wait_for_turn
from stacks.faults import (
    CLOUDFLARE_ERROR,
    CLOUDFLARE_GONE,
    CLOUDFLARE_RATE_LIMITED,
    CLOUDFLARE_UNAUTHORIZED,
    CLOUDFLARE_UNREACHABLE,
    RECORD_QUOTA,
    RECORD_REFUSED,
)
from stacks.requests import reason

TIMEOUT = 30
"""Seconds for one request."""
LONGEST_TURN = 60
"""Seconds that a request waits for its turn."""
RETRY_SECONDS = 0.5
CREDENTIALS: ContextVar[Mapping[str, str]] = ContextVar("CREDENTIALS")
Live = Mapping[str, Any]
"""A zone or a record as Cloudflare lists it."""


@dataclass(frozen=True)
class _Page:
    entries: list[Live]
    total: int
    """How many pages there are."""


@contextmanager
def credentials_in(environment: Mapping[str, str]) -> Iterator[None]:
    """Take the provider's variables from here and not from the process, in this context."""
    token = CREDENTIALS.set(environment)
    try:
        yield
    finally:
        CREDENTIALS.reset(token)


def list_all(path: str, **query: object) -> list[Live]:
    """Read all pages of a list; raises a fault of Cloudflare."""
    page = _get(path, **query, page=1)
    entries = page.entries
    for number in range(2, page.total + 1):
        entries += _get(path, **query, page=number).entries
    return entries


def create(path: str, body: Mapping[str, Any]) -> None:
    """POST a body, once; raises a fault of Cloudflare, also when the answer was lost."""
    _ask(path, body, method="POST")


def change(path: str, body: Mapping[str, Any]) -> None:
    """PATCH a body, once; raises a fault of Cloudflare, also when the answer was lost."""
    _ask(path, body, method="PATCH")


def remove(path: str) -> None:
    """DELETE what is at a path; raises a fault of Cloudflare, none where it is gone."""
    try:
        _ask(path, method="DELETE")
    except Fault as fault:
        if fault.code is not CLOUDFLARE_GONE:
            raise


def _get(path: str, **query: object) -> _Page:
    """Read a page; a retryable failure is retried once before it holds a zone."""
    try:
        return _get_once(path, **query)
    except Fault as fault:
        if not fault.retryable or fault.code is CLOUDFLARE_RATE_LIMITED:
            raise
    time.sleep(RETRY_SECONDS)
    return _get_once(path, **query)


def _get_once(path: str, **query: object) -> _Page:
    target = f"{path}?{urllib.parse.urlencode(query)}"
    document = _ask(target)
    entries, info = document.get("result"), document.get("result_info")
    total = info.get("total_pages") if isinstance(info, dict) else None
    if isinstance(total, int) and isinstance(entries, list) and all(map(_is_named, entries)):
        return _Page(entries, total)
    raise CLOUDFLARE_ERROR(answer="no list", path=target)


def _ask(
    target: str, body: Mapping[str, Any] | None = None, *, method: str = "GET"
) -> Mapping[str, Any]:
    """Return the document of a granted request; raises what refuses it.

    The provider's own credentials come from the environment, or by `credentials_in`.
    """
    environment = CREDENTIALS.get(os.environ)
    base = (environment.get("CLOUDFLARE_BASE_URL") or BASE).rstrip("/")
    token = environment.get("CLOUDFLARE_API_TOKEN", "").strip()
    try:
        request = urllib.request.Request(  # noqa: S310 - the operator's URL
            f"{base}{target}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method=method,
        )
        if not wait_for_turn(environment, LONGEST_TURN):
            raise CLOUDFLARE_RATE_LIMITED()
        change = Fence.from_environment(environment).held if method != "GET" else nullcontext
        with change(), without_redirects().open(request, timeout=TIMEOUT) as response:
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
        if status == 429:
            headers = {name.lower(): value for name, value in error.headers.items()}
            refuse(environment, seconds_refused(headers))
    except (OSError, HTTPException, ValueError) as error:
        raise CLOUDFLARE_UNREACHABLE(url=base, reason=reason(error)) from None
    answer = Answer.of(status, content)
    if answer.is_granted:
        return answer.document
    raise _refused(answer, target, is_write=method != "GET")


def _refused(answer: Answer, target: str, *, is_write: bool) -> Fault:
    status, codes = answer.status, answer.codes
    if status == 429 or 10100 in codes:
        return CLOUDFLARE_RATE_LIMITED()
    if answer.is_gone:
        return CLOUDFLARE_GONE(path=target)
    if status in (401, 403) or answer.concerns_token:
        return CLOUDFLARE_UNAUTHORIZED(status=status, path=target)
    shown = " ".join(["HTTP", str(status), *sorted(map(str, codes))])
    if 81045 in codes:
        return RECORD_QUOTA(reason=f"{shown} to {target}")
    if status == 400 and codes and is_write:
        return RECORD_REFUSED(reason=f"{shown} to {target}")
    return CLOUDFLARE_ERROR(answer=shown, path=target)


def _is_named(entry: object) -> bool:
    """Return whether an entry of a list is a zone or a record; each has a type."""
    return isinstance(entry, dict) and all(entry.get(key) for key in ("id", "name", "type"))
