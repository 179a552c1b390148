"""Hands mails over to egress addresses; whatever one address does costs no other one anything."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

from sender.directory import SendingAddress
from sender.smtp.breaker import Rest
from sender.smtp.limits import Limits
from sender.smtp.mail import Mail, Unsendable
from sender.smtp.outcomes import Begin, Envelope, Outcome
from sender.smtp.pool import STOPPING, AddressPool, AddressState

Key = tuple[str, int, str, str, str, str]


class Egress:
    """One per process."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        helo: str | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet. `now` must be a clock that never steps."""
        self._limits = limits or Limits()
        self._helo = helo or socket.gethostname()
        self._now = now
        self._pools: dict[Key, AddressPool] = {}
        self._is_closed = False

    async def hand_over(
        self,
        address: SendingAddress,
        password: str,
        envelope: Envelope,
        mail: bytes,
        begin: Begin,
    ) -> Outcome:
        """Hand one mail over to an address and say exactly what is known then.

        `begin` is awaited when the host waits for the mail's last bytes, once, or not at all if it
        never does. Raises nothing but what `begin` raises, and cancellation: then nothing was
        delivered, unless `begin` had returned.
        """
        if self._is_closed:
            return STOPPING
        try:
            encoded = Mail.of(envelope, mail)
        except Unsendable as error:
            return error.outcome()
        return await self._pool(address).hand_over(password, encoded, begin)

    def capacity(self, address: SendingAddress) -> int:
        """Return how many hand-overs an address takes at the same time; 0 while it is paused."""
        pool = self._pools.get(_key(address))
        limits = self._limits
        return min(limits.first * limits.batch, limits.at_once) if pool is None else pool.capacity()

    def rest(self, address: SendingAddress) -> Rest | None:
        """Return why an address is paused, and for how long; None: it may be tried."""
        pool = self._pools.get(_key(address))
        return None if pool is None else pool.rest()

    def state(self) -> list[AddressState]:
        """Return what is known of each address that was used lately."""
        return [pool.state() for pool in self._pools.values()]

    def tidy(self) -> None:
        """Close idle connections, and look at what waits too long; call it about once a second."""
        for key, pool in list(self._pools.items()):
            pool.tidy()
            if pool.is_forgettable():
                del self._pools[key]
        idle = [(one, pool) for pool in self._pools.values() for one in pool.idle()]
        if len(idle) > self._limits.idle:
            idle.sort(key=lambda pair: pair[0].since)
            for connection, pool in idle[: -self._limits.idle]:
                pool.retire(connection)

    async def close(self) -> None:
        """Take no more; say goodbye where no mail is under way, then end what is left."""
        self._is_closed = True
        goodbyes = [one for pool in self._pools.values() for one in pool.say_goodbye()]
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=self._limits.farewell)
        for pool in self._pools.values():
            pool.close()

    def _pool(self, address: SendingAddress) -> AddressPool:
        key = _key(address)
        if key not in self._pools:
            self._pools[key] = AddressPool(address, self._helo, self._limits, self._now)
        return self._pools[key]


def _key(address: SendingAddress) -> Key:
    """Return what makes a connection another one: old credentials are never used on."""
    return (
        address.ip,
        address.port,
        address.helo,
        address.username,
        address.sealed_password,
        address.ca_pem,
    )
