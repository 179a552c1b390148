"""Compares the account with a ledger that may be older: its database was restored or promoted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hostwinds.faults import SEVERAL_SERVERS
from hostwinds.journal.port import Intent, Journal, close_server
from hostwinds.models import Instance


class Finding(StrEnum):
    """What differs between account and ledger."""

    ADOPTED = "adopted"
    """The ledger does not know the server or its number, and a document wants it."""
    LEFT = "left"
    """The ledger does not know the server, and no document wants it."""
    GONE = "gone"
    """The account does not list a server of the ledger."""
    UNCLEAR = "unclear"
    """It was to be ordered, and is not listed."""


@dataclass(frozen=True)
class Found:
    """A difference."""

    name: str
    finding: Finding
    service_id: int | None = None
    """As the account shows it, else as the ledger has it."""
    account: str = ""


def compare(
    listed: Sequence[Instance],
    ledger: Sequence[Intent],
    *,
    wanted: Collection[str],
    is_ours: Callable[[str], bool],
) -> list[Found]:
    """Return the differences by name; raises SEVERAL_SERVERS.

    What no document wants is not adopted: the reconciler ends such servers of the ledger, and
    a restored document may be older than the server.
    """
    rows = {
        row.key: row
        for row in ledger
        if row.closed_at is None and row.ordered and "/" not in row.key
    }
    ids = {str(server.service_id) for server in listed}
    by_name: dict[str, list[Instance]] = {}
    for server in listed:
        if is_ours(server.name):
            by_name.setdefault(server.name, []).append(server)
    found = []
    for name in sorted(by_name.keys() | rows.keys()):
        servers, row = by_name.get(name, []), rows.get(name)
        if len(servers) > 1:
            numbers = ", ".join(str(server.service_id) for server in servers)
            raise SEVERAL_SERVERS(numbers=numbers, name=name)
        if row is not None and row.outcome in ids:
            continue
        if servers:
            finding = Finding.ADOPTED if row is not None or name in wanted else Finding.LEFT
            found.append(Found(name, finding, servers[0].service_id, servers[0].account))
        elif row is not None and row.outcome is not None:
            found.append(Found(name, Finding.GONE, int(row.outcome)))
        else:
            found.append(Found(name, Finding.UNCLEAR))
    return found


def unexplained(
    listed: Sequence[Instance], ledger: Sequence[Intent], left: Collection[int]
) -> list[Instance]:
    """Return servers with our mark that the ledger would know, if it had not been set back.

    An intent is on the disk before its order, and no row is deleted. `listed` are servers with our
    mark, listed before the ledger was read; `left` those that a recovery has left to a person.
    """
    names = {row.key for row in ledger if row.ordered}
    numbers = {row.outcome for row in ledger}
    return [
        server
        for server in listed
        if server.name not in names
        and str(server.service_id) not in numbers
        and server.service_id not in left
    ]


def adopt(journal: Journal, found: Sequence[Found]) -> None:
    """Write what is to be adopted into the ledger, and what is left to a person; idempotent."""
    left = [one.service_id for one in found if one.finding is Finding.LEFT]
    journal.leave([service_id for service_id in left if service_id is not None])
    for one in found:
        if one.finding is Finding.ADOPTED:
            row = journal.find(one.name)
            if row is not None and row.outcome is not None:
                close_server(journal, one.name)  # it had another number, which is gone
            journal.settle(one.name, str(one.service_id), one.account)
