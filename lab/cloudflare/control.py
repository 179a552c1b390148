"""Controls of the Cloudflare emulator, for what a person does in the dashboard."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.errors import Refusal
from lab.cloudflare.limits import ENTERPRISE, FREE


def control_routes(account: CloudflareAccount) -> list[Route]:
    """Return the routes below `/_lab/`."""
    controls = _Controls(account)
    return [
        Route("/_lab/faults", account.faults.endpoint, methods=["GET", "POST", "DELETE"]),
        Route("/_lab/zones", controls.register, methods=["POST"]),
        Route("/_lab/tokens", controls.add_token, methods=["POST"]),
        Route("/_lab/email-routing", controls.route_email, methods=["POST"]),
    ]


class _Controls:
    def __init__(self, account: CloudflareAccount) -> None:
        self._account = account

    async def register(self, request: Request) -> Response:
        """Add the zone `name` and delegate it, as its owner does at Cloudflare and the registrar.

        `enterprise: true` is the plan that takes a subdomain; `delegated: false` ends a delegation.
        """
        body = await request.json()
        name = str(body["name"]).rstrip(".").lower()
        plan = ENTERPRISE if body.get("enterprise") else FREE
        try:
            if body.get("delegated", True):
                await run_in_threadpool(self._account.register, name, plan=plan)
            else:
                await run_in_threadpool(self._account.undelegate, name)
        except Refusal as refusal:
            return JSONResponse({"error": str(refusal)}, 400)
        return JSONResponse({"name": name})

    async def add_token(self, request: Request) -> Response:
        """Make a token: `{"permissions": [...], "zones": [...], "read_only": [...]}`."""
        body = await request.json()
        read_only = body.get("read_only", ())
        try:
            token = self._account.add_token(body["permissions"], body.get("zones"), read_only)
        except ValueError as unknown:
            return JSONResponse({"error": str(unknown)}, 400)
        return JSONResponse({"token": token})

    async def route_email(self, request: Request) -> Response:
        """Enable, unlock or disable Email Routing: `{"zone": name, "enabled": true}`."""
        body: dict[str, Any] = await request.json()
        zones = {zone["name"]: zone["id"] for zone in self._account.zones()}
        if body["zone"] not in zones:
            return JSONResponse({"error": f"there is no zone {body['zone']}"}, 400)
        records = await run_in_threadpool(
            self._account.route_email,
            zones[body["zone"]],
            enabled=bool(body["enabled"]),
            locked=bool(body.get("locked", True)),
        )
        return JSONResponse({"records": [record["name"] for record in records]})
