"""Limits of every request: size and type of the body."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controlplane.faults import NOT_JSON, TOO_LARGE
from controlplane.problems import Refusal, problem_response
from kit.faults import Fault

DOCUMENT_LIMIT = 2**20
MESSAGE_LIMIT = 32 * 2**20
"""Bytes of a body: text and HTML of a mail at their longest, escaped as JSON, and its files. A
batch may have as many: 32 KB for each of 1,000 mails."""
MESSAGES = ("/messages", "/messages/batch")


class Limits:
    """Middleware: refuses bodies that are too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on and count the bytes of its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = MESSAGE_LIMIT if scope["path"].endswith(MESSAGES) else DOCUMENT_LIMIT
        refused = _refusal(scope, limit)
        if refused is not None:
            await problem_response(refused)(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), send)


def require_json(headers: Headers) -> None:
    """Refuse a body whose content type is not JSON."""
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise NOT_JSON(kind=headers.get("content-type") or "of no type")


def _refusal(scope: Scope, limit: int) -> Fault | None:
    length = Headers(scope=scope).get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        return TOO_LARGE(limit=limit)
    return None


def _counted(receive: Receive, limit: int) -> Receive:
    """Stop reading a body at the limit, whatever its Content-Length says."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise Refusal(TOO_LARGE(limit=limit))
        return message

    return counted
