"""The HTTP API of the Hostwinds emulator: one route and its quirks; the portal beside it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.actions import Action, Change, Form, step
from lab.hostwinds.billing import Billing
from lab.hostwinds.errors import ProviderError
from lab.hostwinds.instances import Instances
from lab.hostwinds.networking import Networking
from lab.hostwinds.portal import Portal
from lab.hostwinds.switches import ODD_BODIES

MISPRINT = '{"success" = true}'
"""As the documentation prints `{"success": true}`."""


def create_app(account: HostwindsAccount) -> Starlette:
    """Return the emulator; switches, ledger and portal are below `/_lab/`."""
    routes = Portal(account).routes()
    call = Endpoint(account).call
    return Starlette(routes=[Route("/cloud/api.php", call, methods=["GET", "POST"]), *routes])


class Endpoint:
    """The one route of the API."""

    def __init__(self, account: HostwindsAccount) -> None:
        self._account = account
        self._actions: dict[str, Action] = {
            name: getattr(part, name)
            for part in (Instances(account), Networking(account), Billing(account))
            for name in dir(part)
            if not name.startswith("_")
        }

    async def call(self, request: Request) -> Response:
        """Answer one action; HTTP 200 for nearly everything, errors included."""
        account = self._account
        form, is_json = await _form(request)
        action = form.get("action", "")
        if account.fails("slow", action):
            await asyncio.sleep(2)
        if account.fails("server_error", action):
            return PlainTextResponse("Internal Server Error", 500)
        if account.fails("not_json", action):
            return HTMLResponse("<html>Maintenance<br></html>")
        if account.fails("dropped", action):
            return _Broken()
        if not self._authorized(request, form, is_json=is_json):
            return self._not_authorized()
        await run_in_threadpool(account.agenda.run_due)
        handler = self._actions.get(action)
        if handler is None:
            error = {"result": "error", "message": "Invalid Action.", "ERROR": "6734"}
            return _answer([error])
        try:
            return await run_in_threadpool(self._answer, action, handler, form)
        except ProviderError as refusal:
            failed = step("error", refusal.action, str(refusal))
            return _answer([{**failed, "ERROR": refusal.number} if refusal.number else failed])

    def _authorized(self, request: Request, form: Form, *, is_json: bool) -> bool:
        account, settings = self._account, self._account.settings
        source = request.client.host if request.client else ""
        return (
            form.get("API") == account.key
            and ":" not in source  # the allow-list has IPv4 addresses only
            and settings.key != "expired"
            and (not settings.allowed_sources or source in settings.allowed_sources)
            and not (is_json and settings.json_bodies == "refused")
            and not account.fails("unauthorized", form.get("action", ""))
        )

    def _not_authorized(self) -> Response:
        settings = self._account.settings
        action = None if settings.answers == "documented" else "Authorization"
        refused = _answer([step("error", action, "Not Authorized!")])
        refused.status_code = settings.unauthorized_status
        return refused

    def _answer(self, action: str, handler: Action, form: Form) -> Response:
        account = self._account
        odd = ODD_BODIES[account.settings.odd_body]
        answer = handler(form)
        if not isinstance(answer, Change):
            if account.fails("odd_read", action):
                return _answer(odd)
            documented = account.settings.answers == "documented"
            return HTMLResponse(MISPRINT) if documented and _is_yes(answer) else _answer(answer)
        if account.fails("odd_change", action):
            return _answer(odd)
        if not account.fails("no_effect", action):
            account.agenda.after(answer.after, answer.effect)
        if account.fails("odd_done", action):
            return _answer(odd)
        return _Broken() if account.fails("lost_answer", action) else _answer(answer.steps)


class _Broken(Response):
    """Breaks the connection in the middle of the answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]}
        )
        await send({"type": "http.response.body", "body": b"[", "more_body": False})


def _is_yes(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("success") is True


def _answer(document: Any) -> Response:
    """Answer JSON under another content type, as the real API may."""
    return HTMLResponse(json.dumps(document))


async def _form(request: Request) -> tuple[Form, bool]:
    """Read the parameters from the query, a JSON body or a form; the flag is True for JSON."""
    if request.method == "GET":
        return dict(request.query_params), False
    if request.headers.get("content-type", "").startswith("application/json"):
        return _texts(await request.body()), True
    try:
        async with request.form() as form:
            return {key: str(value) for key, value in form.items()}, False
    except HTTPException:
        return {}, False


def _texts(body: bytes) -> Form:
    """Return the parameters in a JSON object, none of another body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    items = document.items() if isinstance(document, dict) else ()
    return {key: str(value) for key, value in items}
