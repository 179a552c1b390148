"""The lab's process: emulators, hosts, name server, receiver."""

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

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hostwinds.journal import journal_at
from kit.faults import Fault
from kit.processes import own_identity
from lab import leftovers, network, receiver, repository
from lab.acme import pebble
from lab.acme.proxy import Proxy
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app as cloudflare_app
from lab.control import ENDED, SHOWN
from lab.emulator_server import serve
from lab.guest import RESOLVER
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app as hostwinds_app
from lab.internet import Internet
from lab.lock import MACHINE_LOCK, OWN_LOCK, alone
from lab.memory import MemoryMachines, MemoryNameserver
from lab.nameserver.troubles import NameTroubles
from lab.portal import PortalOperator
from lab.ports import Machines, Nameserver
from lab.running import FILE, RunningLab

LISTED_AFTER_SECONDS = 0.3
"""Until the API lists a new server: with a delay, as at the real provider."""
CLOUDFLARE_TOKEN_LENGTH = 30
"""Bytes before encoding; Pulumi's plugin wants 40 to 80 characters."""


def main() -> None:
    """Run until SIGTERM, then end everything that was started."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--missing", help="what this machine lacks for real hosts")
    parser.add_argument("--golden", action="store_true", help="hosts begin with all packages")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        with ExitStack() as stack:
            run(stack, arguments)
    except Fault as fault:
        traceback.print_exc()
        code, message, remedy = fault.code.name, fault.message, fault.remedy
        print(ENDED + json.dumps([code, message, remedy]), flush=True)
        sys.exit(1)


def run(stack: ExitStack, arguments: argparse.Namespace) -> NoReturn:
    """Start everything, then wait for the end."""
    directory, missing = arguments.directory, arguments.missing
    stack.enter_context(alone(directory, directory / OWN_LOCK))
    internet = None
    if missing is None:
        killed = stack.enter_context(alone(directory, MACHINE_LOCK))
        leftovers.clear(*{killed or directory, directory})
        leftovers.clear_builds(arguments.cache)
        internet = Internet(directory, arguments.cache, report, golden=arguments.golden)
        stack.callback(internet.stop)
        internet.start()
    lab = build(stack, directory, internet, missing)
    stack.callback((directory / FILE).unlink, missing_ok=True)
    lab.write(directory)
    if internet is not None:
        internet.receive(lambda: _receiver_is_ready(lab, directory))
    print(f"{SHOWN}ready", flush=True)
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)  # `signal.pause` would miss a signal that another thread received
    while True:
        os.read(read, 1)


def _end(*_: object) -> NoReturn:
    """Exit, and ignore further signals: they would interrupt the cleanup."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _receiver_is_ready(lab: RunningLab, directory: Path) -> None:
    lab.receiver_ready = True
    lab.write(directory)


def build(
    stack: ExitStack, directory: Path, internet: Internet | None, missing: str | None
) -> RunningLab:
    """Start both emulators on real hosts or in memory; the stack ends them."""
    machines: Machines = MemoryMachines() if internet is None else internet.machines
    nameserver: Nameserver = MemoryNameserver() if internet is None else internet.nameserver
    key, token = secrets.token_hex(16), secrets.token_urlsafe(CLOUDFLARE_TOKEN_LENGTH)
    hostwinds = HostwindsAccount(machines, nameserver, key, show_after=LISTED_AFTER_SECONDS)
    hostwinds.agenda.start()
    stack.callback(hostwinds.close)
    cloudflare = CloudflareAccount(nameserver, token)
    operator = PortalOperator(hostwinds, lambda: journal_at(os.environ["HOSTWINDS_JOURNAL"]))
    operator.start()
    stack.callback(operator.stop)
    app = hostwinds_app(hostwinds)
    app.router.routes.append(_portal_route(operator))
    names = cloudflare_app(cloudflare)
    if internet is not None:
        names.router.routes.append(NameTroubles(internet.nameserver).route())
        names.router.routes.append(internet.registry.route())
        names.router.routes.append(internet.images.route())
        app.router.routes.append(internet.time.route())
    with step("provider emulators"):
        hostwinds_server, cloudflare_server = serve(app), serve(names)
        stack.callback(hostwinds_server.stop)
        stack.callback(cloudflare_server.stop)
    lab = RunningLab(
        process=own_identity(),
        level="api" if internet is None else "hosts",
        missing=missing,
        golden=internet is not None and internet.golden,
        hostwinds_url=hostwinds_server.url,
        hostwinds_key=key,
        cloudflare_url=cloudflare_server.url,
        cloudflare_token=token,
    )
    if internet is not None:
        lab.resolver, lab.sender_address = RESOLVER, network.MACHINE
        lab.packages, lab.receiver = repository.URL, receiver.DOMAIN
        lab.echo_mx = receiver.NAME
        lab.time_server = network.SERVICES
        lab.trust_anchor = internet.nameserver.trust_anchor
        lab.registry, lab.registry_ca = internet.registry_url, internet.registry.ca_file
        if pebble.is_installed():
            _start_acme(stack, lab, directory / leftovers.ACME, names)
    cloudflare.register(lab.platform_zone)
    return lab


def _start_acme(stack: ExitStack, lab: RunningLab, directory: Path, names: Starlette) -> None:
    """Start the public authority; its faults are injected beside those of names."""
    with step("public authority"):
        running = pebble.start(stack, directory, f"{RESOLVER}:53")
        proxy = Proxy(running)
        server = serve(proxy.app(), tls=running.certificate)
        stack.callback(server.stop)
    names.router.routes.append(proxy.fault_route())
    lab.acme, lab.acme_ca, lab.acme_root = f"{server.url}/dir", running.ca, running.root


def _portal_route(operator: PortalOperator) -> Route:
    async def portal(request: Request) -> Response:
        """Turn the operator's automatic mode on or off; return its state."""
        if request.method == "POST":
            body = await request.json()
            (operator.automatic.set if body["automatic"] else operator.automatic.clear)()
        return JSONResponse({"automatic": operator.automatic.is_set()})

    return Route("/_lab/portal", portal, methods=["GET", "POST"])


def report(name: str, state: str) -> None:
    """Write one line that `penguin lab up` shows."""
    print(f"{SHOWN}{name}  {state}", flush=True)


@contextmanager
def step(name: str, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Report how long a part took to start."""
    started = clock()
    yield
    report(name, f"{clock() - started:.1f} s")


if __name__ == "__main__":
    main()
