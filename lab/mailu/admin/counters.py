"""Failed logins, wrong API tokens and sent mail, counted in Valkey over moving windows."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from lab.mailu.admin.valkey import Valkey

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Limit:
    """So many within so many seconds."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read `5/hour`. Anything else raises ValueError."""
        found = re.fullmatch(r"(\d+)\s*/\s*(second|minute|hour|day)s?", text.strip())
        if not found:
            raise ValueError(f"{text!r} is not a limit like 5/hour")
        return cls(int(found[1]), SECONDS[found[2]])


@dataclass(frozen=True)
class Limits:
    """The limits of one installation."""

    network: Limit
    user: Limit
    sender: Limit
    exempt: tuple[Network, ...]
    exempt_seconds: int
    v4_mask: int = 24
    v6_mask: int = 48


class Counters:
    """Who is blocked.

    Wrong API tokens (each) and failed logins (each user once an hour) share one counter for each
    network. Right calls do not reset it; a login by a right token frees its address.
    """

    def __init__(
        self, valkey: Valkey, limits: Limits, clock: Callable[[], float] = time.time
    ) -> None:
        self._valkey = valkey
        self._limits = limits
        self._clock = clock

    def blocked(self, address: str) -> bool:
        """Whether a network has used up its failures. What is no address raises ValueError."""
        name = f"network-{self._network(address)}"
        return self._counts(address) and self._is_full(name, self._limits.network)

    def user_blocked(self, user: str, address: str) -> bool:
        """Whether a user's failures are used up, wherever they came from."""
        return self._counts(address) and self._is_full(f"user-{user}", self._limits.user)

    def failed(self, address: str, user: str | None = None) -> None:
        """Count a failure of a network; one user's count once within the window."""
        if not self._counts(address):
            return
        network = self._network(address)
        if user is None or self._first(f"{network}-{user}", self._limits.network.seconds):
            self._hit(f"network-{network}", self._limits.network)

    def user_failed(self, user: str, address: str, password: str) -> None:
        """Count a failed login of a user that exists; the same password counts once."""
        if not self._counts(address):
            return
        tried = hashlib.sha256(f"{user}\n{password}".encode()).hexdigest()[-6:]
        if not password or self._first(f"{user}-{tried}", self._limits.user.seconds):
            self._hit(f"user-{user}", self._limits.user)
            self.failed(address, user)

    def free(self, address: str) -> None:
        """Exempt one address from the limit for a day, after a successful login."""
        self._valkey.run(("SET", f"exempt-{address}", 1, "EX", self._limits.exempt_seconds))

    def may_send(self, user: str) -> bool:
        """Count a mail of a user; false if the window has no room for it."""
        return self._hit(f"sender-{user}", self._limits.sender)

    def _counts(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        if any(found in network for network in self._limits.exempt):
            return False
        return self._valkey.run(("GET", f"exempt-{address}")) == [None]

    def _network(self, address: str) -> str:
        found = ipaddress.ip_address(address)
        mask = self._limits.v4_mask if found.version == 4 else self._limits.v6_mask
        return str(ipaddress.ip_network((str(found), mask), strict=False).network_address)

    def _first(self, name: str, seconds: int) -> bool:
        return self._valkey.run(("SET", f"seen-{name}", 1, "NX", "EX", seconds)) == ["OK"]

    def _is_full(self, name: str, limit: Limit) -> bool:
        gone = ("ZREMRANGEBYSCORE", name, "-inf", self._clock() - limit.seconds)
        _, used = self._valkey.run(gone, ("ZCARD", name))
        return int(str(used)) >= limit.amount

    def _hit(self, name: str, limit: Limit) -> bool:
        now, mark = self._clock(), uuid.uuid4().hex
        _, _, _, used = self._valkey.run(
            ("ZREMRANGEBYSCORE", name, "-inf", now - limit.seconds),
            ("ZADD", name, now, mark),
            ("EXPIRE", name, limit.seconds),
            ("ZCARD", name),
        )
        if int(str(used)) <= limit.amount:
            return True
        self._valkey.run(("ZREM", name, mark))
        return False
