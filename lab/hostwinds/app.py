"""The HTTP API of the Hostwinds emulator: one route, its quirks, faults, and the portal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lab.hostwinds.account import HostwindsAccount, ProviderError, Server
from lab.hostwinds.catalogue import IMAGES, LOCATIONS, PRICES, PROFILES

Form = dict[str, str]


def create_app(account: HostwindsAccount) -> Starlette:
    """Return the emulator; faults, ledger and portal below `/_lab/`."""
    endpoints = _Endpoints(account)
    return Starlette(
        routes=[
            Route("/cloud/api.php", endpoints.call, methods=["GET", "POST"]),
            Route("/_lab/faults", account.faults.endpoint, methods=["GET", "POST", "DELETE"]),
            Route("/_lab/ledger", endpoints.ledger, methods=["GET"]),
            Route("/_lab/portal/servers", endpoints.servers, methods=["GET"]),
            Route("/_lab/portal/attach", endpoints.attach, methods=["POST"]),
            Route("/_lab/portal/change", endpoints.change, methods=["POST"]),
        ]
    )


class _Endpoints:
    def __init__(self, account: HostwindsAccount) -> None:
        self._account = account
        self._actions = _Actions(account)

    async def call(self, request: Request) -> Response:
        """Answer one action; HTTP 200 for nearly everything, errors included."""
        form = await _form(request)
        faults = self._account.faults
        if faults.consume("slow"):
            await asyncio.sleep(2)
        if faults.consume("server_error"):
            return PlainTextResponse("Internal Server Error", 500)
        if faults.consume("not_json"):
            return HTMLResponse("<html>Maintenance<br></html>")
        if form.get("API") != self._account.key or faults.consume("unauthorized"):
            return _answer([_step("error", "Authorization", "Not Authorized!")])
        action = form.get("action", "")
        handler: Callable[[Form], Any] | None = getattr(self._actions, action, None)
        if handler is None or action.startswith("_"):
            error = {"result": "error", "message": "Invalid Action.", "ERROR": "6734"}
            return _answer([error])
        try:
            answer = await run_in_threadpool(handler, form)
        except ProviderError as refusal:
            step = _step("error", refusal.action, str(refusal))
            return _answer([{**step, "ERROR": refusal.number} if refusal.number else step])
        except KeyError as missing:
            name = str(missing.args[0])
            return _answer([_step("error", action, f"{name.title()} is required.")])
        except ValueError:
            return _answer([_step("error", action, "A valid serviceid is required.")])
        if action == "add_instance" and faults.consume("lost_answer"):
            return _LostAnswer()
        return _answer(answer)

    async def ledger(self, request: Request) -> Response:
        """List everything that was charged."""
        return JSONResponse(self._account.ledger)

    async def servers(self, request: Request) -> Response:
        """List the servers as a person sees them in the portal."""
        return JSONResponse(
            [
                {
                    "serviceid": server.serviceid,
                    "name": server.srvrname,
                    "addresses": server.ips,
                    "status": self._account.status(server).lower(),
                }
                for server in self._account.all_servers()
            ]
        )

    async def attach(self, request: Request) -> Response:
        """Buy an address for a server."""
        body = await request.json()
        try:
            address = await run_in_threadpool(self._account.attach, int(body["serviceid"]))
        except ProviderError as refusal:
            return JSONResponse({"error": str(refusal)}, 404)
        return JSONResponse({"address": address})

    async def change(self, request: Request) -> Response:
        """Lock, suspend or rename a server without the API."""
        body = await request.json()
        try:
            server = self._account.server("Portal", int(body["serviceid"]))
        except ProviderError as refusal:
            return JSONResponse({"error": str(refusal)}, 404)
        server.locked = bool(body.get("locked", server.locked))
        server.suspended = bool(body.get("suspended", server.suspended))
        server.srvrname = str(body.get("name", server.srvrname))
        return JSONResponse({"ok": True})


class _LostAnswer(Response):
    """Breaks the connection after the action has taken effect."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]}
        )
        await send({"type": "http.response.body", "body": b"[", "more_body": False})


class _Actions:
    """One method per action of the API; each takes the form and returns the response document."""

    def __init__(self, account: HostwindsAccount) -> None:
        self._account = account

    def get_instances(self, form: Form) -> Any:
        return {"success": [self._instance(server) for server in self._account.visible()]}

    def get_instance(self, form: Form) -> Any:
        return {"success": self._instance(self._account.server("Get Instance", _service(form)))}

    def check_serviceid(self, form: Form) -> Any:
        self._account.server("Check Serviceid", _service(form))
        return {"success": True}

    def get_instance_ips(self, form: Form) -> Any:
        server = self._account.server("Get IPs", _service(form))
        return {"success": {"IP Addresses": [{"ip": address} for address in server.ips]}}

    def get_price_list(self, form: Form) -> Any:
        return {"success": PRICES}

    def get_locations(self, form: Form) -> Any:
        return LOCATIONS

    def get_public_images(self, form: Form) -> Any:
        return IMAGES

    def add_instance(self, form: Form) -> Any:
        location = int(form["location_id"])
        if location not in {entry["id"] for entry in LOCATIONS}:
            raise ProviderError("Add Instance", "Location Id is invalid.", "342432")
        if form["template"] not in {image["uuid"] for image in IMAGES}:
            raise ProviderError("Add Instance", "Template is invalid.")
        cycle = form.get("billingcycle", "monthly")
        self._account.order(form["srvrname"], form["rid"], location, form["template"], cycle)
        paid = _step("success", "Invoice Paid", "Invoice has been paid.<br>")
        if self._account.faults.consume("late_error"):
            return [paid, _step("error", "Add Instance", "Something went wrong.<br>")]
        return [paid, _step("success", "Add Instance", "Server is being Created!")]

    def terminate(self, form: Form) -> Any:
        self._account.terminate(_service(form))
        return [{"result": "success", "message": "Instance deleted"}]

    def change_billing_cycle(self, form: Form) -> Any:
        self._account.set_cycle(_service(form), form.get("billingcycle", "monthly"))
        return [_step("success", "Change Billing Cycle", "Service has been upgraded!")]

    def boot(self, form: Form) -> Any:
        return self._power("boot", form)

    def shutdown(self, form: Form) -> Any:
        return self._power("shutdown", form)

    def reboot(self, form: Form) -> Any:
        return self._power("reboot", form)

    def delete_ip(self, form: Form) -> Any:
        self._account.release(_service(form), form["ip"])
        return [_step("success", "Delete IP", "IP removed")]

    def set_rdns(self, form: Form) -> Any:
        self._account.set_pointer(_service(form), form["ip"], form["rdns"])
        return [_step("success", "Set rDNS", "rDNS record updated.")]

    def get_instance_firewall_profile(self, form: Form) -> Any:
        return {"success": PROFILES[self._account.server("Get Firewall", _service(form)).profile]}

    def get_firewall_profiles(self, form: Form) -> Any:
        return {"success": [{"name": name} for name in PROFILES]}

    def set_instance_firewall(self, form: Form) -> Any:
        self._account.set_profile(_service(form), form["name"])
        message = "Instances firewall profile has been updated."
        return [_step("success", "Set Firewall", message)]

    def toggle_lock(self, form: Form) -> Any:
        server = self._account.server("Toggle Lock", _service(form))
        server.locked = not server.locked
        state = "locked" if server.locked else "unlocked"
        return [_step("success", "Toggle Lock", f"Service has been {state}.")]

    def get_smtp_filters(self, form: Form) -> Any:
        return {"success": {"spam": []}}

    def _power(self, action: str, form: Form) -> Any:
        self._account.power(action, _service(form))
        return [_step("success", action.title(), f"Instance Server#{form['serviceid']}: {action}")]

    def _instance(self, server: Server) -> dict[str, Any]:
        status = self._account.status(server)
        return {
            "serviceid": server.serviceid,
            "userid": 1,
            "location_id": server.location_id,
            "srvrname": server.srvrname,
            "hostname": f"{server.srvrname}.hwsrv.example",
            "main_ip": server.main_ip,
            "ips": list(server.ips),
            "password": server.password,
            "configkey": f"config-{server.serviceid}",
            "status": status,
            "disp_status": status.title(),
            "vm_state": "building" if status == "BUILD" else "active",
            "task_state": "spawning" if status == "BUILD" else None,
            "image": {"name": server.image},
            "billingcycle": server.cycle,
            "is_suspended": int(server.suspended),
            "locked": int(server.locked),
            "bandwidth": None,
            "cpu": int(server.price["cpu"]),
            "ram": int(server.price["ram"]),
            "disk": int(server.price["disk"]),
        }


def _service(form: Form) -> int:
    return int(form["serviceid"])


def _step(result: str, action: str, message: str) -> dict[str, str]:
    return {"result": result, "action": action, "message": message}


def _answer(document: Any) -> Response:
    """Answer JSON under another content type, as the real API may."""
    return HTMLResponse(json.dumps(document))


async def _form(request: Request) -> Form:
    """Read the parameters from the query, a JSON body or a form."""
    if request.method == "GET":
        return dict(request.query_params)
    if request.headers.get("content-type", "").startswith("application/json"):
        return {key: str(value) for key, value in (await request.json()).items()}
    async with request.form() as form:
        return {key: str(value) for key, value in form.items()}
