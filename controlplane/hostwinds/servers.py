"""Looks at the servers of the account, for all tenants of this process together."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TypeVar

import structlog

from controlplane.reconciler.ports import Listing, Server
from hostwinds.client import Client
from hostwinds.journal import Journal, journal_from_environment
from hostwinds.presence import Presence
from kit.faults import Fault

log = structlog.get_logger()
Answer = TypeVar("Answer")
ASKED_SECONDS = 60.0
"""How long the answer about one server is used that is not listed."""
SPAM_SECONDS = 3600.0
"""How long the answer about one server's spam is used."""
SPAM_PAUSE_SECONDS = 10.0
"""Least time between two questions about spam: orders come before them."""


class HostwindsServers:
    """The `Servers` of the reconciler: one question about spam every ten seconds, and one in a
    minute about a server that the last listing does not have."""

    def __init__(
        self, environment: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: Mapping[int, str] | None = None
        """Main addresses, as they were given last."""
        self._looked_for: dict[int, float] = {}
        """When servers that are not listed were asked for one by one."""
        self._gone: set[int] = set()
        """Those of them that have ended."""
        self._spam: dict[int, tuple[str, ...]] = {}
        self._spam_at: dict[int, float] = {}
        self._next_spam_at = -math.inf

    def listed(self) -> Listing | None:
        """List the account; None without an answer."""
        return self._ask(self._list)

    def use(self, listed: Mapping[int, str] | None) -> None:
        """Answer by a listing from now on."""
        self._listed = listed

    def look(self, service_ids: Collection[int]) -> Mapping[int, Server]:
        """Return those of these servers that the provider shows."""
        listed = self._listed
        if listed is None:
            return {}
        with self._lock:
            shown = [service_id for service_id in service_ids if service_id in listed]
            self._ask_about_spam(shown)
            servers = {
                service_id: Server(listed[service_id], self._spam.get(service_id))
                for service_id in shown
            }
            return servers | self._ended(set(service_ids) - servers.keys())

    def _ended(self, missing: AbstractSet[int]) -> dict[int, Server]:
        """Return those of the servers that the listing does not have which have certainly ended."""
        now = self._clock()
        fresh = {id_: at for id_, at in self._looked_for.items() if now < at + ASKED_SECONDS}
        self._looked_for, self._gone = fresh, self._gone & fresh.keys()
        for service_id in missing - fresh.keys():
            self._looked_for[service_id] = now
            if self._ask(partial(self._has_ended, service_id)):
                self._gone.add(service_id)
        return {
            service_id: Server("", None, exists=False, is_forgotten=self._is_forgotten(service_id))
            for service_id in self._gone & missing
        }

    def _has_ended(self, service_id: int, client: Client) -> bool:
        return Presence(client, self._journal()).server(service_id) is None

    def _is_forgotten(self, service_id: int) -> bool:
        """Return whether the purchase of a server that has ended is closed."""
        try:
            rows = [row for row in self._journal().ledger() if row.outcome == str(service_id)]
        except Fault as fault:
            log.warning("purchases not read", code=str(fault.code), error=fault.message)
            return False
        return bool(rows) and all(row.closed_at is not None for row in rows)

    def _journal(self) -> Journal:
        return journal_from_environment(self._environment)

    def _ask_about_spam(self, service_ids: Collection[int]) -> None:
        """Ask about the server whose answer is the oldest, if one is too old."""
        now = self._clock()
        due = [id_ for id_ in service_ids if now >= self._spam_at.get(id_, -math.inf)]
        if not due or now < self._next_spam_at:
            return
        oldest = min(due, key=lambda id_: self._spam_at.get(id_, -math.inf))
        self._next_spam_at, self._spam_at[oldest] = now + SPAM_PAUSE_SECONDS, now + SPAM_SECONDS
        answer = self._ask(lambda client: client.spam(oldest))
        if answer is None:
            self._spam.pop(oldest, None)
        else:
            self._spam[oldest] = tuple(answer)

    def _ask(self, question: Callable[[Client], Answer]) -> Answer | None:
        """Ask the provider; None where there is no answer, which changes nothing."""
        try:
            with Client.from_environment(self._environment) as client:
                return question(client)
        except Fault as fault:
            log.warning("servers not seen", code=str(fault.code), error=fault.message)
            return None

    @staticmethod
    def _list(client: Client) -> Listing:
        instances = client.instances()
        return Listing(
            {instance.service_id: instance.main_ip for instance in instances},
            frozenset(each.name for each in instances if each.is_active or each.has_failed),
        )
