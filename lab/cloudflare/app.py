"""The HTTP API of the Cloudflare emulator: routes, authentication, envelope, paging, faults."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.errors import Refusal
from lab.cloudflare.records import NAME

Handler = Callable[[Request], Awaitable[Response]]
PREFIX = "/client/v4"


def create_app(account: CloudflareAccount) -> Starlette:
    """Return the emulator of one account; faults at `/_lab/faults`."""
    endpoints = _Endpoints(account)
    routes = [
        Route(f"{PREFIX}/user/tokens/verify", endpoints.guarded(endpoints.verify), methods=["GET"]),
        Route(f"{PREFIX}/zones", endpoints.guarded(endpoints.zones), methods=["GET", "POST"]),
        Route(
            f"{PREFIX}/zones/{{zone}}", endpoints.guarded(endpoints.zone), methods=["GET", "DELETE"]
        ),
        Route(
            f"{PREFIX}/zones/{{zone}}/activation_check",
            endpoints.guarded(endpoints.check),
            methods=["PUT"],
        ),
        Route(
            f"{PREFIX}/zones/{{zone}}/dns_records",
            endpoints.guarded(endpoints.records),
            methods=["GET", "POST"],
        ),
        Route(
            f"{PREFIX}/zones/{{zone}}/dns_records/batch",
            endpoints.guarded(endpoints.batch),
            methods=["POST"],
        ),
        Route(
            f"{PREFIX}/zones/{{zone}}/dns_records/{{record}}",
            endpoints.guarded(endpoints.record),
            methods=["GET", "PUT", "PATCH", "DELETE"],
        ),
        Route("/_lab/faults", account.faults.endpoint, methods=["GET", "POST", "DELETE"]),
        Route("/_lab/zones", endpoints.register, methods=["POST"]),
    ]
    return Starlette(routes=routes)


class _Endpoints:
    def __init__(self, account: CloudflareAccount) -> None:
        self._account = account

    def guarded(self, handler: Handler) -> Handler:
        """Check the token, inject faults, and put refusals into the envelope."""

        async def guard(request: Request) -> Response:
            try:
                self._authenticate(request)
                await self._inject_faults(request)
                response = await handler(request)
            except Refusal as refusal:
                return _refused(refusal)
            if request.method != "GET" and self._account.faults.consume("lost_answer"):
                return _refused(Refusal(0, "the answer was lost", 520))
            return response

        return guard

    def _authenticate(self, request: Request) -> None:
        header = request.headers.get("authorization", "")
        if not header:
            raise Refusal(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers", 400)
        if not re.fullmatch(r"Bearer \S+", header):
            raise Refusal(6003, "Invalid request headers", 400)
        if header != f"Bearer {self._account.token}":
            raise Refusal(9109, "Invalid access token", 403)

    async def _inject_faults(self, request: Request) -> None:
        faults = self._account.faults
        if faults.consume("slow"):
            await asyncio.sleep(2)
        if faults.consume("rate_limited"):
            raise Refusal(10429, "Rate limited. Please wait and consider throttling.", 429)
        if request.method != "GET" and faults.consume("server_error"):
            raise Refusal(10000, "Internal error", 500)

    async def verify(self, request: Request) -> Response:
        return _answered({"id": "lab", "status": "active"})

    async def zones(self, request: Request) -> Response:
        if request.method == "POST":
            body = await request.json()
            return _answered(await run_in_threadpool(self._account.create_zone, body["name"]))
        query = request.query_params
        if query.get("name") in self._account.unreadable:
            raise Refusal(10000, "Internal error", 500)
        zones = [
            zone
            for zone in await run_in_threadpool(self._account.zones)
            if query.get("name") in (None, zone["name"])
            and query.get("status") in (None, zone["status"])
        ]
        return _page(zones, request, default=20)

    async def zone(self, request: Request) -> Response:
        zone_id = request.path_params["zone"]
        if request.method == "DELETE":
            await run_in_threadpool(self._account.delete_zone, zone_id)
            return _answered({"id": zone_id})
        return _answered(await run_in_threadpool(self._account.zone, zone_id))

    async def check(self, request: Request) -> Response:
        return _answered({"id": self._account.zone(request.path_params["zone"])["id"]})

    async def records(self, request: Request) -> Response:
        zone_id = request.path_params["zone"]
        if request.method == "POST":
            body = await request.json()
            return _answered(await run_in_threadpool(self._account.create, zone_id, body))
        records = [
            record
            for record in await run_in_threadpool(self._account.records, zone_id)
            if _matches(record, request)
        ]
        return _page(records, request, default=100)

    async def batch(self, request: Request) -> Response:
        body = await request.json()
        zone_id = request.path_params["zone"]
        return _answered(await run_in_threadpool(self._account.batch, zone_id, body))

    async def record(self, request: Request) -> Response:
        zone_id, record_id = request.path_params["zone"], request.path_params["record"]
        if request.method == "GET":
            return _answered(await run_in_threadpool(self._account.record, zone_id, record_id))
        if request.method == "DELETE":
            await run_in_threadpool(self._account.delete, zone_id, record_id)
            return _answered({"id": record_id})
        change = self._account.replace if request.method == "PUT" else self._account.change
        body = await request.json()
        return _answered(await run_in_threadpool(change, zone_id, record_id, body))

    async def register(self, request: Request) -> Response:
        """Add a zone and delegate it, as its owner does at Cloudflare and at the registrar."""
        name = str((await request.json())["name"]).rstrip(".").lower()
        if not NAME.fullmatch(name):
            return JSONResponse({"error": f"{name} is not a domain name"}, 400)
        await run_in_threadpool(self._account.register, name)
        return JSONResponse({"name": name})


FILTERS: dict[str, Callable[[str, str], bool]] = {
    "exact": str.__eq__,
    "contains": lambda value, expected: expected in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def _matches(record: dict[str, Any], request: Request) -> bool:
    for key, expected in request.query_params.items():
        field, _, operator = key.partition(".")
        if field not in ("name", "content", "comment", "type"):
            continue
        value = str(record.get(field) or "")
        if not FILTERS.get(operator or "exact", str.__eq__)(value.lower(), expected.lower()):
            return False
    return True


def _page(items: list[dict[str, Any]], request: Request, default: int) -> Response:
    page = int(request.query_params.get("page", 1))
    size = int(request.query_params.get("per_page", default))
    chosen = items[(page - 1) * size : page * size]
    info = {
        "page": page,
        "per_page": size,
        "count": len(chosen),
        "total_count": len(items),
        "total_pages": -(-len(items) // size),
    }
    return _answered(chosen, result_info=info)


def _answered(result: Any, **more: Any) -> Response:
    envelope = {"result": result, "success": True, "errors": [], "messages": [], **more}
    headers = {
        "Ratelimit": '"default";r=1100;t=300',
        "Ratelimit-Policy": '"default";q=1200;w=300',
    }
    return JSONResponse(envelope, headers=headers)


def _refused(refusal: Refusal) -> Response:
    errors = [{"code": refusal.code, "message": str(refusal)}]
    envelope = {"result": None, "success": False, "errors": errors, "messages": []}
    # Clients must not retry an injected fault for minutes.
    return JSONResponse(envelope, refusal.status, headers={"x-should-retry": "false"})
