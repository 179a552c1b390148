"""What an answer of Mailu's API means: by its status and its code, never by its text."""

from __future__ import annotations

from typing import Any

import httpx2
from httpx2 import codes

from controlplane.mailu.faults import FAILED, LOCKED, REFUSED, TOKEN_REFUSED, UNCERTAIN, UNCLEAR
from kit.faults import Fault

READ = "GET"


def closing(answer: httpx2.Response) -> Fault | None:
    """Return the fault after which nothing more may be asked: each wrong token is counted."""
    if answer.status_code in (codes.UNAUTHORIZED, codes.FORBIDDEN):
        return TOKEN_REFUSED()
    if answer.status_code == codes.TOO_MANY_REQUESTS:
        return LOCKED()
    return None


def body_of(answer: httpx2.Response, method: str, request: str) -> Any:
    """Return the document of an answer; raises a fault where it has none."""
    if answer.status_code >= codes.INTERNAL_SERVER_ERROR:
        raise (FAILED if method == READ else UNCERTAIN)(request=request)
    try:
        return answer.json()
    except ValueError:  # its text is not repeated, since it holds what the answer holds
        raise unclear(request, f"{answer.status_code} without JSON") from None


def code_of(answer: httpx2.Response, body: Any, request: str) -> int:
    """Return the code of an answer.

    A refusal of an impossible name has the status 200 and the code 400; 404 without a code means
    that there is no such path, not that there is no such object.
    """
    code = body.get("code") if isinstance(body, dict) else None
    if isinstance(code, int):
        return code
    if answer.status_code == codes.NOT_FOUND:
        raise unclear(request, "404 without a code")
    return answer.status_code


def refused(request: str, code: int) -> Fault:
    """Return the fault of a request that was refused."""
    return REFUSED(status=code, request=request)


def unclear(request: str, reason: str) -> Fault:
    """Return the fault of an answer that says nothing."""
    return UNCLEAR(request=request, reason=reason)
