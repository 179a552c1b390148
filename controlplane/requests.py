"""Refuses, before anything reads them, requests that no endpoint could answer sensibly."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controlplane.faults import NOT_JSON, NUL, TOO_LARGE
from controlplane.problems import Refusal, answer
from kit.faults import Fault

DOCUMENT_LIMIT = 2**20
MESSAGE_LIMIT = 16 * 2**20
"""Bytes of a body: text and HTML of a mail at their longest, escaped as JSON."""


class Gate:
    """Middleware: NUL in an address, bodies that are too large, and bodies that are not JSON.

    What lies outside of `prefix` (a form of a mail client, for one) is only held to its size.
    """

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused, and count the bytes of any other."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = MESSAGE_LIMIT if scope["path"].endswith("/messages") else DOCUMENT_LIMIT
        refused = self._refusal(scope, limit)
        if refused is not None:
            await answer(refused)(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), send)

    def _refusal(self, scope: Scope, limit: int) -> Fault | None:
        headers = Headers(scope=scope)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return NUL()
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limit:
            return TOO_LARGE(limit=limit)
        has_body = length != "0" or "transfer-encoding" in headers
        if has_body and scope["path"].startswith(self._prefix) and not _is_json(headers):
            return NOT_JSON(kind=headers.get("content-type") or "of no type")
        return None


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _counted(receive: Receive, limit: int) -> Receive:
    """Stop reading a body whose length was not told, or not truly."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise Refusal(TOO_LARGE(limit=limit))
        return message

    return counted
