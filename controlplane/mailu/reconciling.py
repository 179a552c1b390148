"""One run over a host: observe, compare, apply, and look again at what is left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from controlplane.mailu.api import Api
from controlplane.mailu.applying import Record, apply
from controlplane.mailu.comparison import Plan, Removal, compare
from controlplane.mailu.declared import TenantMail, declared
from controlplane.mailu.observed import observe


def reconcile(
    api: Api,
    tenants: Sequence[TenantMail],
    *,
    unpurged: Collection[str],
    confirmed: Collection[str],
    record: Record,
    progress: Callable[[str], None],
) -> Plan:
    """Bring a host to what its tenants declare, and return what is left; raises a fault.

    What this run removes is not made again by it: its files are still there.
    """
    wanted = declared(tenants)
    removed: set[str] = set()

    def kept(removal: Removal) -> None:
        record(removal)
        removed.update((removal.key, *removal.users))

    plan = compare(wanted, observe(api, wanted), unpurged)
    for line in apply(api, plan, record=kept, confirmed=confirmed):
        progress(line)
    return compare(wanted, observe(api, wanted), removed.union(unpurged))
