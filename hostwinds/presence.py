"""Whether a server exists: one that the API does not show is gone only if its key proves that.

A rotated key and one of another account get the same answer as a server that was terminated.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hostwinds.client import Client
from hostwinds.faults import NOT_SHOWN, UnknownService
from hostwinds.journal.port import Intent, Journal
from hostwinds.models import Instance


class Presence:
    """The servers of the account, during one visit, as the journal's ledger knows them."""

    def __init__(
        self, client: Client, journal: Journal, seen: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """`seen` is what the key has shown a moment ago, as `seen` of an earlier visit."""
        self._client = client
        self._journal = journal
        self.seen: dict[int, str] = dict(seen)
        """What the key has shown in this visit: service id to account."""

    def listed(self) -> list[Instance]:
        """List all instances that the key shows."""
        instances = self._client.instances()
        for instance in instances:
            self.seen[instance.service_id] = instance.account
        return instances

    def server(self, service_id: int) -> Instance | None:
        """Return a server, None when it is gone; raises NOT_SHOWN where that is not certain.

        It is gone when a listing succeeds without it, with a key that has shown this server or
        another one of its account; or when the ledger says that it has ended.
        """
        try:
            instance = self._client.instance(service_id)
        except UnknownService:
            listed = {instance.service_id: instance for instance in self.listed()}
            if service_id not in listed:
                self._require_gone(service_id)
            return listed.get(service_id)
        self.seen[service_id] = instance.account
        return instance

    def addresses(self, service_id: int) -> list[str] | None:
        """List the IPv4 addresses of a server, None when it is gone; raises NOT_SHOWN."""
        try:
            return self._client.addresses(service_id)
        except UnknownService:
            if self.server(service_id) is None:
                return None
            raise

    def require_reach(self) -> None:
        """Raise NOT_SHOWN if the key has shown no server of the journal, although it has some."""
        servers = [row for row in self._servers() if row.closed_at is None and row.outcome]
        if servers and not any(self._reaches(row.outcome, row.account) for row in servers):
            raise NOT_SHOWN(service_id=servers[0].outcome, name=servers[0].key)

    def _require_gone(self, service_id: int) -> None:
        rows = [row for row in self._servers() if row.outcome == str(service_id)]
        has_ended = bool(rows) and all(row.closed_at is not None for row in rows)
        account = next((row.account for row in rows if row.account), "")
        if not has_ended and not self._reaches(str(service_id), account):
            name = rows[0].key if rows else "no purchase"
            raise NOT_SHOWN(service_id=service_id, name=name)

    def _reaches(self, outcome: str | None, account: str) -> bool:
        """Return whether the key has shown a server, or another one of its account.

        Where the account is not known, it is the only one of the ledger, or none is.
        """
        rows = self._servers()
        accounts = {row.account for row in rows if row.account}
        if not account and len(accounts) == 1:
            [account] = accounts
        ours = {row.outcome for row in rows if row.account == account}
        return any(
            str(service_id) == outcome
            or (bool(account) and shown == account)
            or (not shown and str(service_id) in ours)
            for service_id, shown in self.seen.items()
        )

    def _servers(self) -> list[Intent]:
        return [row for row in self._journal.ledger() if "/" not in row.key]
