"""The HTTP API of the Cloudflare emulator: routes, authentication, envelope, faults."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from kit.faults import Fault
from lab.cloudflare import query
from lab.cloudflare.account import NAME_SERVERS, CloudflareAccount
from lab.cloudflare.bindfile import exported
from lab.cloudflare.control import control_routes
from lab.cloudflare.errors import (
    Refusal,
    bad_body,
    bad_file,
    internal,
    no_route,
    out_of_reach,
    wrong_kind,
)
from lab.cloudflare.limits import REQUESTS, WINDOW, Limited
from lab.cloudflare.tokens import Permission, Token

Handler = Callable[[Request, Token], Awaitable[Response]]
PREFIX = "/client/v4"
ZONE = f"{PREFIX}/zones/{{zone}}"
RECORDS = f"{ZONE}/dns_records"
ROUTING = f"{ZONE}/email/routing/dns"
NOTHING: Mapping[str, Any] = {}
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
SLOW_SECONDS = 2
SOON = {"retry-after-ms": "1"}
"""On injected failures: both SDKs repeat at once instead of after seconds or minutes."""


def create_app(account: CloudflareAccount) -> Starlette:
    """Return the emulator of one account; controls are below `/_lab/`."""
    api = _Api(account)
    paths: dict[str, dict[str, Handler]] = {
        f"{PREFIX}/user/tokens/verify": {"GET": api.verify},
        f"{PREFIX}/zones": {"GET": api.list_zones, "POST": api.create_zone},
        ZONE: {"GET": api.show_zone, "PATCH": api.change_zone, "DELETE": api.delete_zone},
        f"{ZONE}/activation_check": {"PUT": api.check_activation},
        RECORDS: {"GET": api.list_records, "POST": api.create_record},
        f"{RECORDS}/batch": {"POST": api.batch},
        f"{RECORDS}/export": {"GET": api.export},
        f"{RECORDS}/import": {"POST": api.import_file},
        f"{RECORDS}/{{record}}": {
            "GET": api.show_record,
            "PUT": api.replace_record,
            "PATCH": api.change_record,
            "DELETE": api.delete_record,
        },
        ROUTING: {
            "GET": api.show_routing,
            "POST": api.enable_routing,
            "PATCH": api.unlock_routing,
            "DELETE": api.disable_routing,
        },
    }
    routes = [
        Route(path, _guarded(account, handlers), methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
        for path, handlers in paths.items()
    ]
    unknown = _guarded(account, {})

    async def not_found(request: Request, _: Exception) -> Response:
        return await unknown(request)

    return Starlette(
        routes=[*routes, *control_routes(account)],
        exception_handlers={404: not_found, 405: not_found},
    )


def _guarded(
    account: CloudflareAccount, handlers: Mapping[str, Handler]
) -> Callable[[Request], Awaitable[Response]]:
    """Limit, check token and route, inject faults, and put refusals into the envelope."""

    async def guard(request: Request) -> Response:
        faults, writes = account.faults, request.method != "GET"
        headers: dict[str, str] = {}
        try:
            try:
                account.burst.count()
                account.limit.count()
            finally:
                headers = account.limit.headers()
            token = account.tokens.authenticated(request.headers)
            if faults.consume("dropped"):
                return _Broken()
            if faults.consume("slow"):
                await asyncio.sleep(SLOW_SECONDS)
            if injected := _injected(account, writes=writes):
                headers |= SOON
                raise injected
            handler = handlers.get(request.method)
            identifiers = request.path_params.values()
            if handler is None or not all(map(IDENTIFIER.fullmatch, identifiers)):
                raise no_route(request.url.path.removeprefix(PREFIX))
            if zone := request.path_params.get("zone"):
                name = await run_in_threadpool(account.name_of, zone)
                token.require_zone(name, writes=writes)
            response = await handler(request, token)
        except Fault:  # the name server behind us
            return _refused(internal(), headers)
        except HTTPException:  # a form that cannot be read
            return _refused(bad_body(), headers)
        except Refusal as refusal:
            wrapped = refusal.code != 10000 and faults.consume("old_wrapper")
            return _refused(_wrapped(refusal) if wrapped else refusal, headers)
        if writes and faults.consume("lost_answer"):
            return _Broken()
        response.headers.update(headers)
        return response

    return guard


def _injected(account: CloudflareAccount, *, writes: bool) -> Refusal | None:
    """Return the failure that a test asked for."""
    faults = account.faults
    if faults.consume("rate_limited"):
        return Limited(REQUESTS, WINDOW, WINDOW)
    if faults.consume("out_of_reach"):
        return out_of_reach()
    if faults.consume("refused_with_200"):
        return Refusal(10000, "Internal error", 200)
    if faults.consume("server_error" if writes else "read_error"):
        return internal()
    return None


class _Api:
    """One method for each method of a path."""

    def __init__(self, account: CloudflareAccount) -> None:
        self._account = account

    async def verify(self, request: Request, token: Token) -> Response:
        message = {"code": 10000, "message": "This API Token is valid and active", "type": None}
        return _answered({"id": token.id, "status": "active"}, messages=[message])

    async def list_zones(self, request: Request, token: Token) -> Response:
        token.require(Permission.ZONE_READ)
        if request.query_params.get("name") in self._account.unreadable:
            raise internal()
        zones = await run_in_threadpool(self._account.zones, token.permissions)
        reached = [zone for zone in zones if token.reaches(zone["name"])]
        chosen = query.chosen_zones(reached, request.query_params)
        shown, info = query.page(chosen, request.query_params, default=20)
        # Listings of zones have another order of keys than those of records.
        order = ("page", "per_page", "total_pages", "count", "total_count")
        return _answered(shown, early={"result_info": {key: info[key] for key in order}})

    async def create_zone(self, request: Request, token: Token) -> Response:
        token.require(Permission.ZONE_EDIT)
        body = await _document(request)
        name, account = body.get("name"), body.get("account")
        if not isinstance(account, dict) or account.get("id") != self._account.id:
            raise out_of_reach()
        if not isinstance(name, str):
            raise wrong_kind("name")
        if body.get("type", "full") != "full":
            raise wrong_kind("type")
        return _answered(
            await run_in_threadpool(self._account.create_zone, name, token.permissions)
        )

    async def show_zone(self, request: Request, token: Token) -> Response:
        token.require(Permission.ZONE_READ)
        zone = request.path_params["zone"]
        return _answered(await run_in_threadpool(self._account.zone, zone, token.permissions))

    async def change_zone(self, request: Request, token: Token) -> Response:
        token.require(Permission.ZONE_EDIT)
        zone, body = request.path_params["zone"], await _document(request)
        await run_in_threadpool(self._account.change_zone, zone, body)
        return _answered(await run_in_threadpool(self._account.zone, zone, token.permissions))

    async def delete_zone(self, request: Request, token: Token) -> Response:
        token.require(Permission.ZONE_EDIT)
        zone = request.path_params["zone"]
        await run_in_threadpool(self._account.delete_zone, zone)
        return _answered({"id": zone})

    async def check_activation(self, request: Request, token: Token) -> Response:
        token.require(Permission.ZONE_EDIT)
        zone = request.path_params["zone"]
        await run_in_threadpool(self._account.check_activation, zone)
        return _answered({"id": zone})

    async def list_records(self, request: Request, token: Token) -> Response:
        token.require(Permission.DNS_READ)
        zone = request.path_params["zone"]
        shadows = _with_shadows(request)
        records = await run_in_threadpool(self._account.records, zone, shadows=shadows)
        chosen = query.chosen_records(records, request.query_params)
        shown, info = query.page(chosen, request.query_params, default=100)
        return _answered(shown, result_info=info)

    async def create_record(self, request: Request, token: Token) -> Response:
        token.require(Permission.DNS_WRITE)
        zone, body = request.path_params["zone"], await _document(request)
        return _answered(await run_in_threadpool(self._account.create, zone, body))

    async def show_record(self, request: Request, token: Token) -> Response:
        token.require(Permission.DNS_READ)
        zone, record = request.path_params["zone"], request.path_params["record"]
        shadows = _with_shadows(request)
        return _answered(
            await run_in_threadpool(self._account.record, zone, record, shadows=shadows)
        )

    async def replace_record(self, request: Request, token: Token) -> Response:
        return await self._write(self._account.replace, request, token)

    async def change_record(self, request: Request, token: Token) -> Response:
        return await self._write(self._account.change, request, token)

    async def delete_record(self, request: Request, token: Token) -> Response:
        token.require(Permission.DNS_WRITE)
        zone, record = request.path_params["zone"], request.path_params["record"]
        await run_in_threadpool(self._account.delete, zone, record)
        return _answered({"id": record})

    async def batch(self, request: Request, token: Token) -> Response:
        token.require(Permission.DNS_WRITE)
        zone, body = request.path_params["zone"], await _document(request)
        return _answered(await run_in_threadpool(self._account.batch, zone, body))

    async def export(self, request: Request, token: Token) -> Response:
        token.require(Permission.DNS_READ)
        zone = request.path_params["zone"]
        records = await run_in_threadpool(self._account.records, zone)
        name = await run_in_threadpool(self._account.name_of, zone)
        return PlainTextResponse(exported(name, NAME_SERVERS, records))

    async def import_file(self, request: Request, token: Token) -> Response:
        token.require(Permission.DNS_WRITE)
        async with request.form() as form:
            file, proxied = form.get("file"), form.get("proxied", "false")
            content = await file.read() if isinstance(file, UploadFile) else file
        if content is None or proxied not in ("true", "false"):
            raise wrong_kind("file" if content is None else "proxied")
        try:
            text = content.decode() if isinstance(content, bytes) else content
        except UnicodeDecodeError:
            raise bad_file("it is not UTF-8") from None
        zone, run = request.path_params["zone"], self._account.import_file
        return _answered(await run_in_threadpool(run, zone, text, proxied=proxied == "true"))

    async def show_routing(self, request: Request, token: Token) -> Response:
        token.require(Permission.ZONE_READ)
        zone = request.path_params["zone"]
        return _answered(await run_in_threadpool(self._account.routed_email, zone))

    async def enable_routing(self, request: Request, token: Token) -> Response:
        return await self._route(request, token, enabled=True, locked=True)

    async def unlock_routing(self, request: Request, token: Token) -> Response:
        return await self._route(request, token, enabled=True, locked=False)

    async def disable_routing(self, request: Request, token: Token) -> Response:
        return await self._route(request, token, enabled=False, locked=False)

    async def _route(
        self, request: Request, token: Token, *, enabled: bool, locked: bool
    ) -> Response:
        token.require(Permission.SETTINGS_WRITE)
        zone = request.path_params["zone"]
        return _answered(
            await run_in_threadpool(self._account.route_email, zone, enabled=enabled, locked=locked)
        )

    async def _write(
        self, change: Callable[..., dict[str, Any]], request: Request, token: Token
    ) -> Response:
        token.require(Permission.DNS_WRITE)
        zone, record = request.path_params["zone"], request.path_params["record"]
        return _answered(await run_in_threadpool(change, zone, record, await _document(request)))


class _Broken(Response):
    """Breaks the connection in the middle of the answer."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        start = {"status": 200, "headers": [(b"content-length", b"64")]}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": b"{", "more_body": False})


async def _document(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body, whose texts can be written."""
    try:
        body = json.loads(await request.body(), parse_constant=_not_json)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise bad_body() from None
    if not isinstance(body, dict):
        raise bad_body()
    return body


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _with_shadows(request: Request) -> bool:
    return request.query_params.get("include_shadow_metadata") == "true"


def _answered(
    result: Any, messages: Any = (), early: Mapping[str, Any] = NOTHING, **late: Any
) -> Response:
    envelope = {"success": True, "errors": [], "messages": list(messages)}
    return JSONResponse({"result": result, **early, **envelope, **late})


def _refused(refusal: Refusal, headers: Mapping[str, str]) -> Response:
    error: dict[str, Any] = {"code": refusal.code, "message": str(refusal)}
    if refusal.chain:
        error["error_chain"] = [{"code": code, "message": text} for code, text in refusal.chain]
    errors = [error, *({"code": code, "message": text} for code, text in refusal.more)]
    envelope = {"result": None, "success": False, "errors": errors, "messages": []}
    return JSONResponse(envelope, refusal.status, headers={**headers, **refusal.headers})


def _wrapped(refusal: Refusal) -> Refusal:
    """Return a refusal as it was answered before October 2024."""
    chain = ((refusal.code, str(refusal)),)
    return Refusal(1004, "DNS Validation Error", refusal.status, chain=chain)
