"""The purchase journal as the reconciler uses it: our fence, and what no state knows of."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from blueprint.naming import fence_name, is_server_of
from controlplane.reconciler.ports import Progress
from hostwinds.client import Client
from hostwinds.faults import INTERRUPTED
from hostwinds.journal import journal_from_environment
from hostwinds.purchase import Buyer, Patience

Environment = Mapping[str, str]


def raise_fence(
    installation: str, tenant: str, token: int | None, environment: Environment
) -> dict[str, str]:
    """Let no holder of an earlier lease buy for a tenant; return what lets this one buy.

    The plugin compares the two once more right before it orders. None: nobody's lease.
    """
    if token is None:
        return {}
    name = fence_name(installation, tenant)
    journal_from_environment(environment).raise_fence(name, token)
    return {"HOSTWINDS_FENCE": f"{name}:{token}"}


def end_unknown(
    installation: str,
    tenant: str,
    known: Collection[int],
    environment: Environment,
    progress: Progress,
) -> None:
    """End servers that were bought for a tenant and stand in no state: their run was cut off.

    `known` holds the service ids of the state, which the engine ends. Nothing is waited for here:
    what has not shown up or not gone yet is `hostwinds.interrupted`, and looked at again.
    """
    journal = journal_from_environment(environment)
    numbers = [str(service_id) for service_id in known]
    for intent in journal.intents():
        ours = is_server_of(intent.key, installation, tenant)
        if not ours or intent.outcome in numbers:
            continue
        progress(f"{intent.key}: in no state; seeing that it is gone")
        with Client.from_environment(environment) as client:
            patience = Patience.from_environment(environment)
            buyer = Buyer(client, journal, patience, pause=_at_the_next_visit)
            buyer.end_purchase(intent.key, progress)


def _at_the_next_visit(seconds: float) -> None:
    del seconds
    raise INTERRUPTED(what="a server that was bought had shown up or gone")
