"""Looks at the servers of the account, for all tenants of this process together."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import structlog

from controlplane.reconciler.ports import Listing, Server
from hostwinds.client import Client
from hostwinds.journal import Intent, Journal, close_server, journal_from_environment
from hostwinds.presence import Presence
from hostwinds.purchase import Buyer, Deadlines
from hostwinds.recovery import unexplained
from kit.faults import Fault

log = structlog.get_logger()
Answer = TypeVar("Answer")
PROOF_SECONDS = 300.0
"""How long a listing shows that its key reaches the account."""
RECENT = timedelta(days=1)
"""For how long a purchase is taken for a recent one."""
ASKED_SECONDS = 60.0
"""How long the answer about one server is used that is not listed."""
ALONE_SECONDS = 1.0
"""Between two questions about single servers: the next listing says it of all of them."""


class HostwindsServers:
    """The `Servers` of the reconciler: one question in a minute about a server that the last
    listing does not have."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        is_ours: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_ours` says whether the name of a server is one that this installation gives."""
        self._environment = environment
        self._is_ours = is_ours
        self._clock = clock
        self._lock = threading.Lock()
        self._unbound = False
        """Whether the last listing has shown a server that the journal does not know."""
        self._listed: Mapping[int, str] | None = None
        """Main addresses, as they were given last."""
        self._alone_at = -math.inf
        """When one server was asked about whose state a person waits for."""
        self._looked_for: dict[int, float] = {}
        """When servers that are not listed were asked for one by one."""
        self._gone: set[int] = set()
        """Those of them that have ended."""
        self._spam: Mapping[int, tuple[str, ...]] = {}
        self._shown: tuple[float, Mapping[int, str]] = (-math.inf, {})
        """When a listing had servers, and which: the next one may not have the only one, and the
        key is known to reach its account all the same."""

    def listed(self) -> Listing | None:
        """List the account; None without an answer.

        A server with our mark that the purchase journal does not know shows that the database was
        set back: nothing is bought or ended from then on.
        """
        return self._ask(self._list)

    def spam(self, service_id: int) -> tuple[str, ...] | None:
        """Ask what is listed as spam of a server, in the provider's words."""
        answer = self._ask(lambda client: client.spam(service_id))
        return None if answer is None else tuple(answer)

    def use(
        self,
        listed: Mapping[int, str] | None,
        spam: Mapping[int, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """Answer by these from now on."""
        self._listed, self._spam = listed, spam

    def look(
        self, service_ids: Collection[int], last: Mapping[int, str | None]
    ) -> Mapping[int, Server]:
        """Return those of these servers that the provider shows."""
        listed = self._listed
        if listed is None:
            return {}
        with self._lock:
            main_ips = {id_: last.get(id_, listed.get(id_)) for id_ in service_ids}
            servers = {
                service_id: Server(main_ip, self._spam.get(service_id))
                for service_id, main_ip in main_ips.items()
                if main_ip is not None
            }
            return servers | self._ended(main_ips.keys() - servers.keys())

    def _ended(self, missing: AbstractSet[int]) -> dict[int, Server]:
        """Return those of the servers that the listing does not have which have certainly ended."""
        now = self._clock()
        fresh = {id_: at for id_, at in self._looked_for.items() if now < at + ASKED_SECONDS}
        self._looked_for, self._gone = fresh, self._gone & fresh.keys()
        for service_id in missing - fresh.keys():
            self._looked_for[service_id] = now
            if self._ask(partial(self._has_ended, service_id)):
                self._gone.add(service_id)
        return {id_: self._ended_one(id_) for id_ in self._gone & missing}

    def _has_ended(self, service_id: int, client: Client) -> bool:
        return self._presence(client, self._journal()).server(service_id) is None

    def _presence(self, client: Client, journal: Journal) -> Presence:
        """Return a visit that goes by what this process's key has shown lately, too."""
        at, shown = self._shown
        return Presence(client, journal, shown if self._clock() - at < PROOF_SECONDS else {})

    def _ended_one(self, service_id: int) -> Server:
        """Return a server that has ended, with what the journal has of its purchase."""
        try:
            rows = self._purchases(service_id)
        except Fault as fault:
            log.warning("purchases not read", code=str(fault.code), error=fault.message)
            return Server("", None, exists=False, is_recent=True)
        is_forgotten = bool(rows) and all(row.closed_at is not None for row in rows)
        day_ago = datetime.now(UTC) - RECENT
        is_recent = any(row.opened_at > day_ago for row in rows)
        return Server("", None, exists=False, is_forgotten=is_forgotten, is_recent=is_recent)

    def trouble(self, service_id: int) -> str | None:
        """Ask about one server; not more often than once in a second, about whichever."""
        with self._lock:
            now = self._clock()
            if now < self._alone_at + ALONE_SECONDS:
                return None
            self._alone_at = now
        return self._ask(lambda client: client.instance(service_id).trouble)

    def forget(self, service_id: int) -> None:
        """Close its purchase."""
        for row in self._purchases(service_id):
            if row.closed_at is None:
                close_server(self._journal(), row.key)

    def _purchases(self, service_id: int) -> list[Intent]:
        return [row for row in self._journal().ledger() if row.outcome == str(service_id)]

    def _journal(self) -> Journal:
        return journal_from_environment(self._environment)

    def _ask(self, question: Callable[[Client], Answer]) -> Answer | None:
        """Ask the provider; None where there is no answer, which changes nothing."""
        try:
            with Client.from_environment(self._environment) as client:
                return question(client)
        except Fault as fault:
            log.warning("servers not seen", code=str(fault.code), error=fault.message)
            return None

    def _list(self, client: Client) -> Listing:
        journal = self._journal()
        presence = self._presence(client, journal)
        instances = presence.listed()
        if instances:
            self._shown = self._clock(), {each.service_id: each.account for each in instances}
        if ours := [instance for instance in instances if self._is_ours(instance.name)]:
            unknown = unexplained(ours, journal.ledger(), journal.left())
            if unknown and not self._unbound:
                why = f"the account has server {unknown[0].service_id} ({unknown[0].name})"
                log.error("the database was set back", reason=why, run="penguin purchases recover")
                journal.unbind(why)
            self._unbound = bool(unknown)
        return Listing(
            {instance.service_id: instance.main_ip for instance in instances},
            frozenset(each.name for each in instances if each.is_active or each.has_failed),
            {each.service_id: frozenset(each.addresses) for each in instances},
            self._see_ends_through(client, journal, presence),
            {each.service_id: each.trouble for each in instances if each.trouble},
        )

    def _see_ends_through(
        self, client: Client, journal: Journal, presence: Presence
    ) -> Sequence[str]:
        """Close the purchases of servers that runs have ended, and that are gone by now.

        An end is asked for again where nothing came of it. Returns what is wrong.
        """
        deadlines = replace(Deadlines.from_environment(self._environment), end=0)
        buyer = Buyer(client, journal, deadlines, presence=presence)
        wrong = []
        for row in journal.intents():
            if row.ending_at is None:
                continue
            try:
                buyer.end_instance(int(str(row.outcome)), row.key, log.debug)
            except Fault as fault:
                log.warning("server not ended", code=str(fault.code), error=fault.message)
                wrong.append(fault.sentence)
        return wrong
