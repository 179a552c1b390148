"""The purchase journal for the reconciler: the fence, and servers that are in no Pulumi state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Self

from blueprint.document import Blueprint
from blueprint.naming import fence_name, is_server_of, purchase_name
from controlplane.reconciler.ports import Progress
from hostwinds.client import Client
from hostwinds.faults import INTERRUPTED
from hostwinds.journal import Intent, journal_from_environment
from hostwinds.journal.fence import VARIABLE
from hostwinds.purchase import Buyer, Deadlines
from kit.faults import Fault, line

Environment = Mapping[str, str]


def raise_fence(
    installation: str, tenant: str, token: int | None, environment: Environment
) -> dict[str, str]:
    """Refuse changes under an earlier lease; return the variable that permits them here.

    Waits until a change under an earlier one has its answer, and raises SUPERSEDED under a later
    one. The plugins hold the fence during each change. None: a run without a lease.
    """
    if token is None:
        return {}
    name = fence_name(installation, tenant)
    journal_from_environment(environment).raise_fence(name, token)
    return {VARIABLE: f"{name}:{token}"}


class Untracked:
    """Servers that were bought for a tenant and are in no state, during one visit to the provider.

    What the API key has shown before anything is deleted proves afterwards that it reaches the
    account, so that a server which is gone is known to be.
    """

    def __init__(self, installation: str, tenant: str, environment: Environment) -> None:
        self._installation = installation
        self._tenant = tenant
        self._environment = environment
        self._journal = journal_from_environment(environment)
        self._deadlines = Deadlines.from_environment(environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "_client" in vars(self):
            self._client.close()

    def terminate(self, in_state: Collection[int], progress: Progress) -> None:
        """Terminate those of an interrupted run, or that were deleted in the portal.

        `in_state` are the service ids of the state, whose servers the engine deletes. It does not
        wait: for a server that is not listed or not gone yet it raises `hostwinds.interrupted`.
        """
        open_rows = [row for row in self._open() if "/" not in row.key]
        ending = [row for row in open_rows if self._is_seen_through(row)]
        if ending and not in_state:
            raise INTERRUPTED(what=f"{ending[0].key} was gone")
        if any(row.outcome for row in open_rows):
            self._buyer.presence.listed()
        ids = [str(service_id) for service_id in in_state]
        for row in open_rows:
            if row.outcome in ids or row in ending:
                continue
            if not self._end_server(row, progress):
                raise INTERRUPTED(what=f"{row.key} was gone")

    def end_unwanted(
        self, blueprint: Blueprint, in_state: Collection[str], progress: Progress
    ) -> list[Fault]:
        """End what neither the blueprint nor the state has, and is not ending; return the faults.

        It was bought in a run that was interrupted before the state had it, and is not wanted any
        more: the engine does not know it. `in_state` are the ids of the state's resources.
        """
        servers = {host.server_name for host in blueprint.hosts}
        addresses = {
            purchase_name(host.server_name, address.name)
            for host in blueprint.hosts
            for address in host.addresses
        }
        failures = []
        for row in self._open():
            if self._is_seen_through(row):
                continue
            service_id, _, address = row.key.partition("/")
            server = address.partition("/")[0]
            try:
                if not address and row.key not in servers and row.outcome not in in_state:
                    if row.outcome:
                        self._buyer.presence.listed()
                    self._end_server(row, progress)
                elif server in servers and address not in addresses and row.key not in in_state:
                    progress(f"{address}: in no state; releasing {row.outcome or 'nothing'}")
                    self._buyer.end_address(int(service_id), address, row.outcome or "")
            except Fault as fault:
                progress(line(fault))
                failures.append(fault)
        return failures

    def _end_server(self, row: Intent, progress: Progress) -> bool:
        """End a server; return whether it is gone."""
        if row.ordered:
            progress(f"{row.key}: in no state; terminating it")
        return self._buyer.end_purchase(row.key, progress)

    def _is_seen_through(self, row: Intent) -> bool:
        """Return whether the server is ending, and the listing of the account closes the row."""
        return row.ending_at is not None and self._deadlines.end is not None

    def _open(self) -> list[Intent]:
        """Return the open rows of the tenant's servers and their addresses."""
        return [
            row
            for row in self._journal.ledger()
            if row.closed_at is None
            and is_server_of(_server_of(row.key), self._installation, self._tenant)
        ]

    @cached_property
    def _client(self) -> Client:
        return Client.from_environment(self._environment)

    @cached_property
    def _buyer(self) -> Buyer:
        return Buyer(self._client, self._journal, self._deadlines, pause=_interrupt)


def _interrupt(seconds: float) -> None:
    del seconds
    raise INTERRUPTED(what="a bought server was listed or gone")


def _server_of(key: str) -> str:
    """Return the server's name in a row's key: `<server>` or `<service id>/<server>/mx1-2`."""
    return key.split("/")[1] if "/" in key else key
