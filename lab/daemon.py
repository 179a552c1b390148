"""The process that is the lab: emulators, machines, name server, receiver; ends with them."""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hostwinds.journal import journal_from_environment
from lab.cloudflare.account import Account
from lab.cloudflare.app import create_app as cloudflare_app
from lab.emulator_server import serve
from lab.hostwinds.app import create_app as hostwinds_app
from lab.hostwinds.world import World
from lab.memory import MemoryMachines, MemoryNameserver
from lab.place import FILE, LabError, LabPlace
from lab.portal import PortalOperator

SHOW_AFTER = 0.3
"""Seconds until the API lists a new server: never at once, as at the real one."""
CLOUDFLARE_TOKEN_LENGTH = 30
"""Bytes before encoding; Pulumi's plugin wants 40 to 80 characters."""


def main() -> None:
    """Run until SIGTERM; everything that was started is ended then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--missing", help="what this machine lacks for real hosts")
    arguments = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with alone(arguments.directory), ExitStack() as stack:
        place = build(stack, arguments.missing)
        place.write(arguments.directory)
        stack.callback((arguments.directory / FILE).unlink)
        said("lab", "ready")
        over.wait()


def build(stack: ExitStack, missing: str | None) -> LabPlace:
    """Start every part; each registers its end with the stack."""
    nameserver, machines = MemoryNameserver(), MemoryMachines()
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
        pid=os.getpid(),
        level="api",
        missing=missing,
        hostwinds_url=hostwinds_server.url,
        hostwinds_key=key,
        cloudflare_url=cloudflare_server.url,
        cloudflare_token=token,
    )
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


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold the lock of the machine's one lab; it names its owner."""
    lock_path = Path("/run/lock/penguinmails-lab") if os.geteuid() == 0 else directory / "lock"
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "another checkout"
            raise LabError(
                "lab.taken",
                f"another lab runs on this machine, kept by {owner}",
                remedy="end it there with `penguin lab down`, or use that one",
                where=lock_path,
            ) from None
        lock.truncate(0)
        lock.write(f"{directory} (process {os.getpid()})")
        lock.flush()
        yield
        lock.truncate(0)


def said(name: str, state: str) -> None:
    """Write one line that `penguin lab up` shows."""
    print(f"{name}: {state}", flush=True)


@contextmanager
def step(name: str, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Say how long a part took to come up."""
    started = clock()
    yield
    said(name, f"{clock() - started:.1f} s")


if __name__ == "__main__":
    main()
