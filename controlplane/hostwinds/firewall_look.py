"""Looks at the provider's firewall in front of a host: people change it in the portal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import structlog

from blueprint.document import Firewall
from hostwinds.client import Client
from hostwinds.faults import FIREWALL_PROFILE_LACKS
from hostwinds.firewall import Needs
from kit.faults import Fault

log = structlog.get_logger()
INTERVAL = 1800.0
"""Seconds between two looks at a firewall that was right: each costs one of the few requests."""
PAUSE = 1.0
"""Least time between two looks at firewalls that may be right: half of the account's rate, since
orders come before them."""


class FirewallLook:
    """Asks the provider what passes to a server; blocks. Threads may share it."""

    def __init__(
        self, environment: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._right: dict[tuple[int, Firewall], float] = {}
        """When a firewall was last seen to be right."""
        self._wrong: set[tuple[int, Firewall]] = set()
        self._next = -math.inf
        """When the next one may be asked for that is not known to be wrong."""

    def __call__(self, service_id: int, firewall: Firewall) -> Fault | None:
        """Return what does not pass and should.

        None also where the provider does not tell, or where it is not the turn of this server.
        """
        key, now = (service_id, firewall), self._clock()
        if key not in self._wrong:
            if now < max(self._next, self._right.get(key, -math.inf) + INTERVAL):
                return None
            self._next = now + PAUSE
        try:
            with Client.from_environment(self._environment) as client:
                current = client.firewall(service_id)
        except Fault as fault:
            log.warning("firewall not seen", service=service_id, code=str(fault.code))
            return None
        lacks = current.lacks(Needs(firewall.inbound, firewall.outbound))
        if lacks:
            self._right.pop(key, None)
            self._wrong.add(key)
            return FIREWALL_PROFILE_LACKS(
                profile=current.name, service_id=service_id, lacks=", ".join(lacks)
            )
        self._right[key] = self._clock()
        self._wrong.discard(key)
        return None
