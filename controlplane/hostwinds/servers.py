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

from controlplane.reconciler.ports import Server
from hostwinds.client import Client
from hostwinds.journal import Journal, journal_from_environment
from hostwinds.models import Instance
from hostwinds.presence import Presence
from kit.faults import Fault

log = structlog.get_logger()
Answer = TypeVar("Answer")
LISTING_SECONDS = 60.0
"""How long a listing of the account is used, one without an answer too."""
SPAM_SECONDS = 3600.0
"""How long the answer about one server's spam is used."""
SPAM_PAUSE_SECONDS = 10.0
"""Least time between two questions about spam: orders come before them."""


class HostwindsServers:
    """The `Servers` of the reconciler: a listing a minute, one question about spam every ten
    seconds."""

    def __init__(
        self, environment: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: dict[int, Instance] = {}
        self._list_at = -math.inf
        self._is_answered = False
        self._looked_for: set[int] = set()
        """Servers that this listing does not have and that were asked for one by one."""
        self._gone: set[int] = set()
        """Those of them that have ended."""
        self._spam: dict[int, tuple[str, ...]] = {}
        self._spam_at: dict[int, float] = {}
        self._next_spam_at = -math.inf

    def listed(self) -> Mapping[int, str] | None:
        """Return the main address of each server of the account; None without an answer."""
        with self._lock:
            self._list_again()
            if not self._is_answered:
                return None
            return {service_id: server.main_ip for service_id, server in self._listed.items()}

    def look(self, service_ids: Collection[int]) -> Mapping[int, Server]:
        """Return those of these servers that the provider shows."""
        with self._lock:
            self._list_again()
            shown = [service_id for service_id in service_ids if service_id in self._listed]
            self._ask_about_spam(shown)
            servers = {
                service_id: Server(self._listed[service_id].main_ip, self._spam.get(service_id))
                for service_id in shown
            }
            missing = set(service_ids) - servers.keys() if self._is_answered else set()
            return servers | self._ended(missing)

    def _list_again(self) -> None:
        """List the account where the last listing is too old."""
        if self._clock() >= self._list_at:
            self._list_at = self._clock() + LISTING_SECONDS
            answer = self._ask(self._list)
            self._is_answered, self._listed = answer is not None, answer or {}
            self._looked_for, self._gone = set(), set()

    def _ended(self, missing: AbstractSet[int]) -> dict[int, Server]:
        """Return those of the servers that the listing does not have which have certainly ended."""
        for service_id in missing - self._looked_for:
            self._looked_for.add(service_id)
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
    def _list(client: Client) -> dict[int, Instance]:
        return {instance.service_id: instance for instance in client.instances()}
