"""The process that is the lab: emulators, machines, name server, receiver; ends with them."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hostwinds.journal import journal_from_environment
from kit.faults import Fault
from kit.processes import own_identity
from lab import leftovers, network, receiver, repository
from lab.cloudflare.account import Account
from lab.cloudflare.app import create_app as cloudflare_app
from lab.control import ENDED, SHOWN
from lab.emulator_server import serve
from lab.guest import RESOLVER
from lab.hostwinds.app import create_app as hostwinds_app
from lab.hostwinds.world import World
from lab.internet import Internet
from lab.lock import MACHINE_LOCK, OWN_LOCK, alone
from lab.memory import MemoryMachines, MemoryNameserver
from lab.place import FILE, LabPlace
from lab.portal import PortalOperator
from lab.ports import Machines, Nameserver

SHOW_AFTER = 0.3
"""Seconds until the API lists a new server: never at once, as at the real one."""
CLOUDFLARE_TOKEN_LENGTH = 30
"""Bytes before encoding; Pulumi's plugin wants 40 to 80 characters."""


def main() -> None:
    """Run until SIGTERM; everything that was started is ended then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--missing", help="what this machine lacks for real hosts")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        with ExitStack() as stack:
            live(stack, arguments.directory, arguments.cache, arguments.missing)
    except Fault as fault:
        traceback.print_exc()
        code, message, remedy = fault.code.name, fault.message, fault.remedy
        print(ENDED + json.dumps([code, message, remedy]), flush=True)
        sys.exit(1)


def live(stack: ExitStack, directory: Path, cache: Path, missing: str | None) -> NoReturn:
    """Bring everything up, and stay."""
    stack.enter_context(alone(directory, directory / OWN_LOCK))
    internet = None
    if missing is None:
        killed = stack.enter_context(alone(directory, MACHINE_LOCK))
        leftovers.clear(*{killed or directory, directory})
        leftovers.forget_builds(cache)
        internet = Internet(directory, cache, said)
        stack.callback(internet.stop)
        internet.start()
    place = build(stack, internet, missing)
    stack.callback((directory / FILE).unlink, missing_ok=True)
    place.write(directory)
    if internet is not None:
        internet.receive(lambda: _receives(place, directory))
    said("lab", "ready")
    woken, woke = os.pipe()
    os.set_blocking(woke, False)
    signal.set_wakeup_fd(woke)  # `signal.pause` would miss a signal that another thread got
    while True:
        os.read(woken, 1)


def _end(*_: object) -> NoReturn:
    """Unwind, once: what ends here must not be interrupted again."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _receives(place: LabPlace, directory: Path) -> None:
    place.receiver_ready = True
    place.write(directory)


def build(stack: ExitStack, internet: Internet | None, missing: str | None) -> LabPlace:
    """Start both emulators, on real things or on memory; each registers its end with the stack."""
    machines: Machines = MemoryMachines() if internet is None else internet.machines
    nameserver: Nameserver = MemoryNameserver() if internet is None else internet.nameserver
    key, token = secrets.token_hex(16), secrets.token_urlsafe(CLOUDFLARE_TOKEN_LENGTH)
    world = World(machines, nameserver, key, show_after=SHOW_AFTER)
    stack.callback(world.close)
    account = Account(nameserver, token)
    operator = PortalOperator(world, journal_from_environment)
    operator.start()
    stack.callback(operator.stop)
    hostwinds = hostwinds_app(world)
    hostwinds.router.routes.append(_portal_route(operator))
    with step("provider emulators"):
        hostwinds_server, cloudflare_server = serve(hostwinds), serve(cloudflare_app(account))
        stack.callback(hostwinds_server.stop)
        stack.callback(cloudflare_server.stop)
    place = LabPlace(
        process=own_identity(),
        level="api" if internet is None else "hosts",
        missing=missing,
        hostwinds_url=hostwinds_server.url,
        hostwinds_key=key,
        cloudflare_url=cloudflare_server.url,
        cloudflare_token=token,
    )
    if internet is not None:
        place.resolver, place.sender_address = RESOLVER, network.MACHINE
        place.packages, place.receiver = repository.URL, receiver.DOMAIN
    account.register(place.platform_zone)
    return place


def _portal_route(operator: PortalOperator) -> Route:
    async def portal(request: Request) -> Response:
        """Turn the operator's automatic mode on or off; say which."""
        if request.method == "POST":
            body = await request.json()
            (operator.automatic.set if body["automatic"] else operator.automatic.clear)()
        return JSONResponse({"automatic": operator.automatic.is_set()})

    return Route("/_lab/portal", portal, methods=["GET", "POST"])


def said(name: str, state: str) -> None:
    """Write one line that `penguin lab up` shows."""
    print(f"{SHOWN}{name}: {state}", flush=True)


@contextmanager
def step(name: str, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Say how long a part took to come up."""
    started = clock()
    yield
    said(name, f"{clock() - started:.1f} s")


if __name__ == "__main__":
    main()
