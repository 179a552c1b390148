"""Declares all resources of one blueprint, by hand and for the reconciler."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pulumi

from blueprint.document import Blueprint, Host, Record
from blueprint.naming import fence_name
from blueprint.records import sender, tenant_mark
from blueprint.tenant import Dns
from blueprint.zones import is_within
from hostwinds.faults import OTHER_JOURNAL, SUPERSEDED
from hostwinds.journal import Journal, journal_from_environment
from kit.faults import Fault, line
from stacks.adoption import adoptions
from stacks.backend import Stacks
from stacks.domaindns import ZoneRecords
from stacks.faults import (
    ADOPTED,
    FORGOTTEN,
    OLDER_GENERATION,
    ZONE_NOT_SEARCHED,
    ZONE_OUT_OF_REACH,
)
from stacks.first_record import write_first
from stacks.leftovers import Known, Search, wanted_records
from stacks.lost_zones import Lost, find_lost, prove_writable
from stacks.mailhost import MailHost, MailHostArgs, known_or_none
from stacks.state import Resource, StackState
from stacks.variables import REPLACED_GENERATION
from stacks.zones import Zone, find_zone, list_records


def run(program: Callable[[], None]) -> None:
    """Run a program; a fault is shown by the engine in one line."""
    try:
        program()
    except Fault as fault:
        raise pulumi.RunError(line(fault)) from None


def declare(blueprint: Blueprint) -> None:
    """Declare hosts, addresses, records, reverse DNS, and export what the control plane reads.

    Every zone is looked up before the first resource, and gets its first record. One where either
    fails is held: its records and the hosts whose names are in it are neither changed nor deleted,
    and a new host of it is not bought, neither is any while every domain is held. Everything else
    continues.
    """
    state = StackState.of(blueprint.tenant)
    _refuse_lower(blueprint, state)
    journal = _journal(blueprint.tenant, state)
    search = None
    if not pulumi.runtime.is_dry_run():
        journal.require_bound()
        mark = tenant_mark(blueprint.installation, blueprint.tenant)
        known = _known(mark, state, journal, blueprint.records)
        search = Search(blueprint.tenant, known, _stacks())
    zones, held = _look_up(blueprint, state.records(), search)
    retained = _retained(blueprint, state, zones, held)
    lost = _find_lost(state, {zone.id for zone in zones.values()}, retained.records)
    if search is not None:
        held |= _clear_former(search, state, lost, zones, held)
    everything_held = lost.held | held
    _refuse_superseded(everything_held)
    _warn(everything_held, {key for zone in zones.values() for key in zone.imports}, lost.gone)
    retained = _Retained(retained.hosts, {*retained.records, *lost.gone, *lost.kept})
    ordered = [
        host
        for host in blueprint.hosts
        if host.zone not in held and host.name not in retained.hosts
        if host.name in state.hosts() or (not host.is_retired and _has_domain(blueprint, held))
    ]
    if not pulumi.runtime.is_dry_run():
        _agree(blueprint, ordered, journal)
    hosts = {host.name: MailHost(host.name, MailHostArgs(host)) for host in ordered}
    addresses = {name: ip for host in hosts.values() for name, ip in host.addresses.items()}
    components = {name: ZoneRecords(name, zone.id, zone.imports) for name, zone in zones.items()}
    resources: dict[str, pulumi.CustomResource] = {}
    resources |= state.redeclare(
        hosts=retained.hosts, records=retained.records, zones=components, gone=lost.gone
    )
    declared = [
        (components[name], record)
        for name, zone in zones.items()
        for record in zone.records
        if not retained.covers(record) and _exists(record, hosts, addresses)
    ]
    for zone, record in declared:
        if record.address is not None:
            resources[record.key] = zone.declare(record, addresses[record.address])
    forward = _forward(blueprint, resources)
    senders = _senders(blueprint, forward)
    for zone, record in declared:
        if record.content is not None:
            content = _content(record.content, senders)
            after = forward.get(_address_of(record.key), ())
            resources[record.key] = zone.declare(record, content, after)
    for host in hosts.values():
        host.declare_reverse_dns(forward)
    summaries = [host.summary() for host in hosts.values()]
    previous = [state.host_summary(name) for name in sorted(retained.hosts)]
    pulumi.export("digest", blueprint.digest)
    pulumi.export("generation", blueprint.generation)
    pulumi.export("hosts", summaries + [summary for summary in previous if summary is not None])
    pulumi.export("records", pulumi.Output.from_input(_ids(resources)).apply(_present))
    pulumi.export("journal", journal.identity())
    pulumi.export("held", [_held(zone, fault) for zone, fault in everything_held.items()])


def retire(stack: str, installation: str) -> None:
    """Declare nothing of a tenant, so that the engine deletes everything, but for lost records.

    Raises the fault of a zone that may be changed again soon, before anything is deleted.
    """
    state = StackState.of(stack)
    lost = _find_lost(state)
    mark = tenant_mark(installation, stack)
    known = _known(mark, state, journal_from_environment())
    search = Search(stack, known, _stacks())
    held = lost.held | _clear_former(search, state, lost)
    _refuse_superseded(held)
    for fault in held.values():
        if fault.code not in (ZONE_OUT_OF_REACH, ZONE_NOT_SEARCHED):
            raise fault
    _warn(held, (), lost.gone)
    state.redeclare(hosts=(), records=lost.gone | lost.kept, zones={}, gone=lost.gone)
    pulumi.export("held", [_held(zone, fault) for zone, fault in held.items()])
    pulumi.export("journal", state.journal())


def _known(mark: str, state: StackState, journal: Journal, records: Iterable[Record] = ()) -> Known:
    """Return what explains records with the mark: the state, and these records."""
    return Known(
        mark=mark,
        in_state={row.id for row in state.records().values()},
        wanted=wanted_records(records),
        since=journal.bound_at(),
    )


def _stacks() -> Stacks:
    return Stacks(os.environ.get("PULUMI_BACKEND_URL", ""))


def _clear_former(
    search: Search,
    state: StackState,
    lost: Lost,
    zones: Mapping[str, _Zone] = MappingProxyType({}),
    held: Collection[str] = (),
) -> dict[str, Fault]:
    """Search zones that the blueprint does not have, but the state, or an earlier run.

    `zones` were searched; the names of `held` may be in any zone around them. Those of lost records
    are refused, and gone only where the engine forgets them.
    """
    records = state.records()
    refused = {records[key].zone_id for key in (*lost.gone, *lost.kept)}
    former = {row.zone_id: row.parent for row in records.values()} | search.remembered
    for id_ in {*refused, *(zone.id for zone in zones.values())}:
        former.pop(id_, None)
    return search.clear_former(
        {
            id_: name
            for id_, name in former.items()
            if not any(is_within(wanted, name) for wanted in held)
        }
    )


def _find_lost(
    state: StackState, known: Collection[str] = (), retained: Collection[str] = ()
) -> Lost:
    """Find lost records among those that are in no known zone, and not retained anyway."""
    records = {key: row for key, row in state.records().items() if key not in retained}
    return find_lost(records, known, _read if pulumi.runtime.is_dry_run() else prove_writable)


def _read(zone_id: str, rows: Iterable[Resource]) -> None:
    """Prove that a zone can be read: a preview writes nothing."""
    del rows
    list_records(zone_id)


def _warn(held: Mapping[str, Fault], adopted: Collection[str], gone: Collection[str]) -> None:
    for name, fault in held.items():
        pulumi.log.warn(f"zone {name} is held: {line(fault)}")
    for code, keys in ((ADOPTED, adopted), (FORGOTTEN, gone)):
        if keys:
            pulumi.log.warn(line(code(records=", ".join(sorted(keys)))))


def _exists(record: Record, hosts: Collection[str], addresses: Collection[str]) -> bool:
    """Return whether the host exists or is bought that a record belongs to or names."""
    host = _host_of(record.key)
    is_known = record.address is None or record.address in addresses
    return is_known and (not host or host in hosts)


def _forward(
    blueprint: Blueprint, resources: Mapping[str, pulumi.CustomResource]
) -> dict[str, list[pulumi.CustomResource]]:
    """Return the A records of each address."""
    forward: defaultdict[str, list[pulumi.CustomResource]] = defaultdict(list)
    for record in blueprint.records:
        if record.address and record.key in resources:
            forward[record.address].append(resources[record.key])
    return forward


def _senders(
    blueprint: Blueprint, forward: Mapping[str, list[pulumi.CustomResource]]
) -> dict[str, pulumi.Output[bool]]:
    """Return by the term of an SPF record for a host whether its name has an address."""
    return {
        sender(host.egress_name): pulumi.Output.all(
            *(
                known_or_none(record.id)
                for address in host.addresses
                for record in forward.get(address.name, ())
            )
        ).apply(any)
        for host in blueprint.hosts
    }


def _content(content: str, senders: Mapping[str, pulumi.Output[bool]]) -> pulumi.Input[str]:
    """Return the content of a record, an SPF record without hosts whose names have no address.

    They would be void look-ups, and the third makes the record an error (RFC 7208 section 4.6.4).
    """
    terms = content.split(" ")
    listed = {term: exists for term, exists in senders.items() if term in terms}
    if not listed:
        return content

    def without(exist: Mapping[str, bool]) -> str:
        return " ".join(term for term in terms if exist.get(term, True))

    return pulumi.Output.all(**listed).apply(without)


@dataclass(frozen=True)
class _Zone:
    """A zone of the account, and its records in the blueprint."""

    id: str
    records: list[Record]
    imports: Mapping[str, str]
    """Record key to import id, of records with our mark that the state does not know."""


@dataclass(frozen=True)
class _Retained:
    """Resources that are left unchanged: hosts by name, records by key."""

    hosts: Collection[str]
    records: Collection[str]

    def covers(self, record: Record) -> bool:
        """Return whether a record is redeclared from the state, itself or with its host."""
        return record.key in self.records or _host_of(record.key) in self.hosts


def _look_up(
    blueprint: Blueprint, in_state: Mapping[str, Resource], search: Search | None
) -> tuple[dict[str, _Zone], dict[str, Fault]]:
    """Return the zones that were listed, by name, and the faults of the other look-ups.

    The names of a blueprint's zones are looked up: several may be in the same zone. Without a
    search, which a preview has not, nothing is written or removed.
    """
    found: defaultdict[Zone, list[Record]] = defaultdict(list)
    held: dict[str, Fault] = {}
    for name, records in _by_zone(blueprint).items():
        try:
            found[find_zone(name, exact=name in blueprint.named_zones)] += records
        except Fault as fault:
            held[name] = fault
    if search is not None:
        search.remember({zone.id: zone.name for zone in found})
    zones: dict[str, _Zone] = {}
    for zone, records in found.items():
        try:
            own = {key: row for key, row in in_state.items() if row.zone_id == zone.id}
            live = list_records(zone.id) if search is None else search.clear(zone.id)
            imports = adoptions(zone, records, own, live)
            if search is not None:
                write_first(zone.id, records, own, imports)
            moved = in_state.keys() - own.keys()
            imports = {key: id_ for key, id_ in imports.items() if key not in moved}
            zones[zone.name] = _Zone(zone.id, records, imports)
        except Fault as fault:
            held |= dict.fromkeys((record.zone for record in records), fault)
    return zones, held


def _has_domain(blueprint: Blueprint, held: Collection[str]) -> bool:
    """Return whether mail can be sent from any domain; those of manual zones are not ours."""
    ours = {domain.name for domain in blueprint.domains if domain.dns is Dns.CLOUDFLARE}
    return not ours or any(
        record.domain in ours and record.zone not in held for record in blueprint.records
    )


def _refuse_lower(blueprint: Blueprint, state: StackState) -> None:
    """Raise OLDER_GENERATION for a blueprint that a later one has replaced already."""
    known = state.generation()
    if blueprint.generation < known and os.environ.get(REPLACED_GENERATION) != str(known):
        raise OLDER_GENERATION(stack=blueprint.tenant, known=known, given=blueprint.generation)


def _refuse_superseded(held: Mapping[str, Fault]) -> None:
    """Raise SUPERSEDED where another process has taken over: nothing is wrong with the zone."""
    for fault in held.values():
        if fault.code is SUPERSEDED:
            raise fault


def _journal(stack: str, state: StackState) -> Journal:
    """Return the purchase journal; raises OTHER_JOURNAL if the last run had another one."""
    journal, known = journal_from_environment(), state.journal()
    if known not in (None, here := journal.identity()):
        raise OTHER_JOURNAL(stack=stack, known=known, here=here)
    return journal


def _agree(blueprint: Blueprint, hosts: Collection[Host], journal: Journal) -> None:
    """Write the prices that the blueprint shows into the purchase journal, before any order.

    They are no inputs of the resources: another price is no change of a server.
    """
    shown = {item.host: item.usd_cents for item in blueprint.cost.items if item.host}
    owner = fence_name(blueprint.installation, blueprint.tenant)
    for host in hosts:
        if host.name in shown:
            journal.agree(host.server_name, shown[host.name], owner)


def _retained(
    blueprint: Blueprint, state: StackState, zones: Mapping[str, _Zone], held: Collection[str]
) -> _Retained:
    """Return the resources of held zones.

    Records in such a zone, in the state or in the blueprint; hosts whose names are in the zone, or
    that such a record names; and every record of such a host. A name whose look-up failed may be
    in any zone around it.
    """
    keys = {record.key for record in blueprint.records if record.zone in held}
    found = {record.key: name for name, zone in zones.items() for record in zone.records}
    records = state.records()
    retained = {
        key
        for key, row in records.items()
        if key in keys
        or (found.get(key) != row.parent and any(is_within(name, row.parent) for name in held))
    }
    named = {urn for key in retained for urn in records[key].dependencies}
    hosts = state.host_of(named) | {
        host.name for host in blueprint.hosts if host.zone in held and host.name in state.hosts()
    }
    return _Retained(hosts, retained | {key for key in records if _host_of(key) in hosts})


def _address_of(key: str) -> str:
    """Return the address of a record's key (`mx1-2/A`), empty for a domain's."""
    address = key.partition("/")[0]
    return "" if "." in address else address


def _host_of(key: str) -> str:
    """Return the host of a record's key, empty for a domain's."""
    return _address_of(key).rpartition("-")[0]


def _held(zone: str, fault: Fault) -> dict[str, str]:
    return {
        "zone": zone,
        "code": str(fault.code),
        "message": fault.message,
        "remedy": fault.remedy,
    }


def _by_zone(blueprint: Blueprint) -> dict[str, list[Record]]:
    """Group the records at Cloudflare by the name of their zone."""
    zones: dict[str, list[Record]] = defaultdict(list)
    for record in blueprint.records:
        if record.provider is Dns.CLOUDFLARE:
            zones[record.zone].append(record)
    return dict(zones)


def _ids(resources: Mapping[str, pulumi.CustomResource]) -> dict[str, pulumi.Output[str | None]]:
    """Return the ids of records; None where the address does not exist yet."""
    return {key: known_or_none(record.id) for key, record in resources.items()}


def _present(ids: Mapping[str, Any]) -> dict[str, str]:
    return {key: id_ for key, id_ in sorted(ids.items()) if id_}
