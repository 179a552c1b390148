"""What a person does in the provider's portal, for tests and trials: below `/_lab/`."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.errors import ProviderError


class Portal:
    """The controls of one account."""

    def __init__(self, account: HostwindsAccount) -> None:
        self._account = account

    def routes(self) -> list[Route]:
        """Return the routes."""
        account = self._account
        any_method = ["GET", "POST", "DELETE"]
        return [
            Route("/_lab/faults", account.faults.endpoint, methods=any_method),
            Route("/_lab/settings", account.switchboard.endpoint, methods=any_method),
            Route("/_lab/ledger", self.ledger, methods=["GET"]),
            Route("/_lab/charges", self.charges, methods=["GET"]),
            Route("/_lab/portal/servers", self.servers, methods=["GET"]),
            Route("/_lab/portal/attach", self.attach, methods=["POST"]),
            Route("/_lab/portal/change", self.change, methods=["POST"]),
            Route("/_lab/portal/profiles", self.profiles, methods=any_method),
            Route("/_lab/portal/smtp-filters", self.smtp_filters, methods=["POST"]),
        ]

    async def ledger(self, request: Request) -> Response:
        """List every invoice."""
        return JSONResponse(self._account.ledger)

    async def charges(self, request: Request) -> Response:
        """Show what runs and costs by now."""
        return JSONResponse(self._account.charges())

    async def servers(self, request: Request) -> Response:
        """List the servers as a person sees them."""
        return JSONResponse(
            [
                {
                    "serviceid": server.serviceid,
                    "name": server.srvrname,
                    "addresses": server.ips,
                    "status": self._account.status(server).lower(),
                    "profiles": server.profiles,
                }
                for server in self._account.all_servers()
            ]
        )

    async def attach(self, request: Request) -> Response:
        """Buy an address for `serviceid`."""
        body = await request.json()
        try:
            address = await run_in_threadpool(self._account.attach, int(body["serviceid"]))
        except ProviderError as refusal:
            return JSONResponse({"error": str(refusal)}, 404)
        return JSONResponse({"address": address})

    async def change(self, request: Request) -> Response:
        """Change the server `serviceid` without the API, as the other keys of the body say.

        `locked`, `suspended` (truth values), `name`, `profile` (added or replaced as by the API),
        `main_address: "another"`, `upgrade: "paid"`, `ended: true`.
        """
        body = await request.json()
        try:
            await run_in_threadpool(self._change, int(body["serviceid"]), body)
        except ProviderError as refusal:
            return JSONResponse({"error": str(refusal)}, 404)
        return JSONResponse({"ok": True})

    def _change(self, service_id: int, body: dict[str, Any]) -> None:
        account = self._account
        server = account.owned(service_id)
        server.locked = bool(body.get("locked", server.locked))
        server.srvrname = str(body.get("name", server.srvrname))
        if "suspended" in body:
            account.suspend(server, suspended=bool(body["suspended"]))
        if "profile" in body:
            if body["profile"] not in account.profiles.names():
                raise ProviderError(None, "Firewall profile not found.")
            account.set_profile(server, body["profile"])
        if body.get("main_address") == "another":
            account.agenda.after(account.settings.move_after, lambda: account.move(service_id))
        if body.get("upgrade") == "paid":
            account.pay_upgrade(service_id)
        if body.get("ended"):
            account.end(service_id)

    async def profiles(self, request: Request) -> Response:
        """Make or change the firewall profile `name` (`ports`, or `rules`), remove, or list."""
        if request.method != "GET":
            body = await request.json()
            name = str(body["name"])
            if request.method == "POST":
                made = (name, body.get("ports", []), body.get("rules", []))
                await run_in_threadpool(self._account.make_profile, *made)
            else:
                await run_in_threadpool(self._account.remove_profile, name)
        profiles = self._account.profiles
        return JSONResponse([profiles.document(name) for name in profiles.names()])

    async def smtp_filters(self, request: Request) -> Response:
        """Put an entry into get_smtp_filters."""
        self._account.smtp_filters.append(await request.json())
        return JSONResponse(self._account.smtp_filters)
