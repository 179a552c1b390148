"""The purchase journal for the reconciler: the fence, and servers that are in no Pulumi state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Self

from blueprint.naming import fence_name, is_server_of
from controlplane.reconciler.ports import Progress
from hostwinds.client import Client
from hostwinds.faults import INTERRUPTED
from hostwinds.journal import journal_from_environment
from hostwinds.journal.fence import VARIABLE
from hostwinds.purchase import Buyer, Deadlines

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
        open_rows = [
            row
            for row in self._journal.ledger()
            if is_server_of(row.key, self._installation, self._tenant) and row.closed_at is None
        ]
        if any(row.outcome for row in open_rows):
            self._buyer.presence.listed()
        ids = [str(service_id) for service_id in in_state]
        for row in open_rows:
            if row.outcome in ids:
                continue
            if row.ordered:
                progress(f"{row.key}: in no state; terminating it")
            self._buyer.end_purchase(row.key, progress)

    @cached_property
    def _client(self) -> Client:
        return Client.from_environment(self._environment)

    @cached_property
    def _buyer(self) -> Buyer:
        deadlines = Deadlines.from_environment(self._environment)
        return Buyer(self._client, self._journal, deadlines, pause=_interrupt)


def _interrupt(seconds: float) -> None:
    del seconds
    raise INTERRUPTED(what="a bought server was listed or gone")
