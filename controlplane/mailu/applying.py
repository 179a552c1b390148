"""Carries out a plan: each object is read, compared and written, and what is right stays.

It may end at any point: the next plan has what is left. An answer that was lost is replaced by a
look at what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from blueprint.mail_address import domain_of
from controlplane.mailu.api import Api
from controlplane.mailu.comparison import Plan, Removal, Retired
from controlplane.mailu.faults import CONFLICT, NOT_EMPTY, TAKEN, UNCERTAIN
from controlplane.mailu.objects import ALIAS, ALTERNATIVE, DOMAIN, RELAY, USER, Kind
from controlplane.mailu.observed import look, of_others
from controlplane.mailu.wanted import AnyWanted, closed, is_of, mark_of
from kit.faults import Fault

Record = Callable[[Removal], None]
"""Keeps that the files of what is removed have to be purged; returns when that is stored."""
KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in (ALIAS, DOMAIN, RELAY, USER)}


def apply(
    api: Api, plan: Plan, *, record: Record, confirmed: Collection[str] = ()
) -> Iterator[str]:
    """Carry out a plan, and yield a line for each change.

    `confirmed` are the mailboxes whose mail may be destroyed; a domain goes when all of its may.
    """
    for retired in plan.retired_relays:
        yield from _retire(api, retired)
    for wanted in plan.writes:
        yield from _write(api, wanted)
    for manager in plan.managers:
        api.remove_manager(manager.domain, manager.address)
        yield f"{manager.address} no longer manages {manager.domain}"
    for retired in plan.retired_aliases:
        yield from _retire(api, retired)
    for removal in plan.removals:
        if set(removal.people) <= set(confirmed):
            yield from _remove(api, removal, record)


def _write(api: Api, wanted: AnyWanted) -> Iterator[str]:
    """Make an object, or change what differs."""
    name = f"{wanted.kind} {wanted.key}"
    seen = _seen(api, wanted)
    if seen is None:
        _create(api, wanted)
        yield f"made {name}"
        seen = _seen(api, wanted)
        if seen is None:
            raise UNCERTAIN(request=f"POST {wanted.kind.path}", where=api.where)
    if changes := wanted.changes(seen):
        _change(api, wanted, changes)
        yield f"changed {name}: {', '.join(sorted(changes))}"


def _create(api: Api, wanted: AnyWanted) -> None:
    try:
        if api.create(wanted.kind, wanted.key, wanted.fields()):
            return
    except Fault as fault:
        if fault.code is not UNCERTAIN or _seen(api, wanted) is None:
            raise
        return
    if _seen(api, wanted) is None:
        raise CONFLICT(kind=wanted.kind, name=wanted.key, where=api.where)


def _change(api: Api, wanted: AnyWanted, changes: dict[str, Any]) -> None:
    try:
        api.change(wanted.kind, wanted.key, changes)
    except Fault as fault:
        seen = _seen(api, wanted) if fault.code is UNCERTAIN else None
        if seen is None or wanted.changes(seen):
            raise


def _seen(api: Api, wanted: AnyWanted) -> Any:
    """Return the object as it is now; raises a fault where it is not ours."""
    seen, _ = look(api, wanted.kind, wanted.key)
    if seen is not None and not is_of(seen.comment, wanted.tenant):
        raise TAKEN(kind=wanted.kind, name=wanted.key, mark=wanted.mark, where=api.where)
    return seen


def _retire(api: Api, retired: Retired) -> Iterator[str]:
    """Remove an alias or a relay, if it is still ours."""
    if _is_ours(api, KINDS[retired.kind], retired.key, retired.tenant):
        _delete(api, KINDS[retired.kind], retired.key)
        yield f"removed {retired.kind} {retired.key}"


def _remove(api: Api, removal: Removal, record: Record) -> Iterator[str]:
    """Remove a mailbox or a domain: what is to be purged is kept in mind, then logins end."""
    kind = KINDS[removal.kind]
    if not _is_ours(api, kind, removal.key, removal.tenant):
        return
    if kind is DOMAIN:
        _require_nothing_else(api, removal)
    record(removal)
    for address in removal.users:
        if _is_ours(api, USER, address, removal.tenant):
            api.change(USER, address, closed(removal.tenant))
    _delete(api, kind, removal.key)
    yield f"removed {removal.kind} {removal.key} with {len(removal.people)} mailbox(es)"


def _require_nothing_else(api: Api, removal: Removal) -> None:
    """Refuse to remove a domain in which there is now more than the plan has seen as ours."""
    users = api.all(USER)
    others = of_others(removal.key, removal.tenant, users, api.all(ALIAS), api.all(ALTERNATIVE))
    unseen = [
        f"user {each.key}"
        for each in users
        if domain_of(each.key) == removal.key
        and is_of(each.comment, removal.tenant)
        and each.key not in removal.users
    ]
    if objects := others + unseen:
        raise NOT_EMPTY(name=removal.key, objects=", ".join(objects), where=api.where)


def _is_ours(api: Api, kind: Kind[Any], key: str, tenant: str) -> bool:
    """Return whether an object is there and still ours."""
    seen, _ = look(api, kind, key)
    if seen is None:
        return False
    if not is_of(seen.comment, tenant):
        raise TAKEN(kind=kind, name=key, mark=mark_of(tenant), where=api.where)
    return True


def _delete(api: Api, kind: Kind[Any], key: str) -> None:
    try:
        api.remove(kind, key)
    except Fault as fault:
        if fault.code is not UNCERTAIN or look(api, kind, key)[0] is not None:
            raise
