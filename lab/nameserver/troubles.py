"""What name servers do in the world: switched on and off by `/_lab/dns` while they run."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.guest import RESOLVER
from lab.nameserver.guest import SERVERS
from lab.nameserver.server import FOREIGN_DS, TOP, TTL, KnotNameserver

FIRST, SECOND = SERVERS
LAME, NAMELESS = f"lame.{TOP}", f"nameless.{TOP}"
"""A server that does not have the zone (it is the resolver), and one without an address."""

Undo = Callable[[], object]


class NameTroubles:
    """The troubles that are switched on, each with what ends it."""

    def __init__(self, nameserver: KnotNameserver) -> None:
        self._nameserver = nameserver
        self._active: dict[tuple[str, str | None], Undo] = {}
        self._lock = threading.Lock()
        self._of_zone: dict[str, Callable[[str], Undo]] = {
            "bogus": self._bogus,
            "lame": partial(self._with_server, LAME),
            "nameless": partial(self._with_server, NAMELESS),
            "servfail": self._servfail,
            "undelegated": self._undelegated,
        }
        """Of one zone: its DS fits no key; its second server does not have it, or has no address;
        both servers lost it; its parent does not delegate it."""
        self._of_all: dict[str, Callable[[], Undo]] = {
            "alias_pointers": self._alias_pointers,
            "caches": self._caches,
            "dead": self._dead,
            "no_tcp": self._no_tcp,
        }
        """Of all zones: reverse names set from now on are behind aliases; the resolver keeps
        answers as long as they say; the second server is off; answers come by UDP only."""

    @property
    def names(self) -> Sequence[str]:
        """All troubles."""
        return sorted([*self._of_zone, *self._of_all, "lag", "signed"])

    def inject(self, name: str, zone: str | None = None, seconds: float = 0) -> None:
        """Switch a trouble on; raises ValueError for one that does not exist or lacks its zone.

        `seconds` is how much later changes of a zone that lags are served; `signed` stays.
        """
        if name not in self.names:
            raise ValueError(f"{name} is not a trouble; use one of: {', '.join(self.names)}")
        if name in self._of_all:
            self._begin((name, None), self._of_all[name])
            return
        if zone is None:
            raise ValueError(f"{name} needs a zone")
        if not self._nameserver.has(zone):
            raise ValueError(f"there is no zone {zone}")
        if name == "signed":
            self._nameserver.sign(zone)
        elif name == "lag":
            if not 0 < seconds < math.inf:
                raise ValueError("lag needs seconds")
            self._nameserver.set_lag(zone, seconds)
            self._begin((name, zone), lambda: partial(self._nameserver.set_lag, zone, 0))
        else:
            self._begin((name, zone), partial(self._of_zone[name], zone))

    def clear(self) -> None:
        """End all troubles, the latest first."""
        with self._lock:
            while self._active:
                _, undo = self._active.popitem()
                undo()

    def active(self) -> list[dict[str, str | None]]:
        """Return the troubles that are on."""
        return [{"fault": name, "zone": zone} for name, zone in self._active]

    def route(self) -> Route:
        """Return the route by which troubles are switched on, listed, and ended."""

        async def endpoint(request: Request) -> Response:
            if request.method == "POST":
                body: dict[str, Any] = await request.json()
                known = {key: body[key] for key in ("zone", "seconds") if key in body}
                try:
                    await run_in_threadpool(self.inject, str(body.get("fault")), **known)
                except ValueError as mistake:
                    return JSONResponse({"error": str(mistake)}, 400)
            elif request.method == "DELETE":
                await run_in_threadpool(self.clear)
            return JSONResponse(self.active())

        return Route("/_lab/dns", endpoint, methods=["GET", "POST", "DELETE"])

    def _begin(self, key: tuple[str, str | None], begin: Callable[[], Undo]) -> None:
        with self._lock:
            if key not in self._active:
                self._active[key] = begin()

    def _bogus(self, zone: str) -> Undo:
        self._nameserver.set_ds(zone, [FOREIGN_DS])
        return partial(self._nameserver.set_ds, zone, [])

    def _with_server(self, name: str, zone: str) -> Undo:
        if name == LAME:
            self._nameserver.replace(TOP, LAME, "A", TTL, [RESOLVER])
        self._nameserver.set_servers(zone, [FIRST, name])
        return partial(self._nameserver.set_servers, zone, list(SERVERS))

    def _servfail(self, zone: str) -> Undo:
        self._nameserver.expire(zone)
        return partial(self._nameserver.load, zone)

    def _undelegated(self, zone: str) -> Undo:
        self._nameserver.undelegate(zone)
        return partial(self._nameserver.delegate, zone)

    def _alias_pointers(self) -> Undo:
        self._nameserver.alias_pointers(True)
        return partial(self._nameserver.alias_pointers, False)

    def _caches(self) -> Undo:
        self._nameserver.keep_answers(True)
        return partial(self._nameserver.keep_answers, False)

    def _dead(self) -> Undo:
        self._nameserver.detach(SERVERS[SECOND])
        return partial(self._nameserver.attach, SERVERS[SECOND])

    def _no_tcp(self) -> Undo:
        self._nameserver.close_tcp()
        return self._nameserver.open_tcp
