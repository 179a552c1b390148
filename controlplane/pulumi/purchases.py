"""The purchase journal for the reconciler: the fence, and servers that are in no Pulumi state."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from blueprint.naming import fence_name, is_server_of
from controlplane.reconciler.ports import Progress
from hostwinds.client import Client
from hostwinds.faults import INTERRUPTED
from hostwinds.journal import journal_from_environment
from hostwinds.purchase import Buyer, Deadlines

Environment = Mapping[str, str]


def raise_fence(
    installation: str, tenant: str, token: int | None, environment: Environment
) -> dict[str, str]:
    """Refuse purchases under an earlier lease; return the variable that permits them here.

    The plugin compares the two again right before it orders. None: a run without a lease.
    """
    if token is None:
        return {}
    name = fence_name(installation, tenant)
    journal_from_environment(environment).raise_fence(name, token)
    return {"HOSTWINDS_FENCE": f"{name}:{token}"}


def terminate_untracked(
    installation: str,
    tenant: str,
    in_state: Collection[int],
    environment: Environment,
    progress: Progress,
) -> None:
    """Terminate servers that were bought for a tenant in an interrupted run and are in no state.

    `in_state` are the service ids of the state, whose servers the engine deletes. It does not
    wait: for a server that is not listed or not gone yet it raises `hostwinds.interrupted`.
    """
    journal = journal_from_environment(environment)
    ids = [str(service_id) for service_id in in_state]
    for row in journal.ledger():
        ours = is_server_of(row.key, installation, tenant)
        if not ours or row.closed_at is not None or row.outcome in ids:
            continue
        if row.ordered:
            progress(f"{row.key}: in no state; terminating it")
        with Client.from_environment(environment) as client:
            deadlines = Deadlines.from_environment(environment)
            buyer = Buyer(client, journal, deadlines, pause=_interrupt)
            buyer.end_purchase(row.key, progress)


def _interrupt(seconds: float) -> None:
    del seconds
    raise INTERRUPTED(what="a bought server was listed or gone")
