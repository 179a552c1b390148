"""Declares everything in the cloud for one blueprint; both doors end here."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import pulumi

from blueprint.document import Blueprint, Record, RecordType
from blueprint.tenant import Dns
from stacks.adoption import adoptions
from stacks.backend import BackendUnreachable, Stacks
from stacks.domaindns import ZoneRecords, ZoneRecordsArgs, zone_id
from stacks.errors import StackError
from stacks.mailhost import MailHost, MailHostArgs, known_or_none

RECORD_TOKEN = "cloudflare:index/dnsRecord:DnsRecord"  # noqa: S105 - a type's name


def declare(blueprint: Blueprint) -> None:
    """Declare hosts, addresses, records, reverse DNS, and export what the control plane reads.

    Everything that may refuse comes before the first resource: nothing is bought for a tenant
    whose zones are not there.
    """
    records = _by_zone(blueprint)
    zones = {zone: zone_id(zone) for zone in records}
    adopted = adoptions(zones, records, _known_records(blueprint.tenant))
    if adopted:
        names = ", ".join(sorted(adopted))
        pulumi.log.warn(f"[dns.adopted] adopting records with our mark: {names}; run it once more")
    hosts = {host.name: MailHost(host.name, MailHostArgs(host)) for host in blueprint.hosts}
    addresses = {name: ip for host in hosts.values() for name, ip in host.addresses.items()}
    made: dict[str, pulumi.CustomResource] = {}
    for zone, inside in records.items():
        args = ZoneRecordsArgs(zones[zone], inside, addresses, adopted)
        made.update(ZoneRecords(zone, args).made)
    forward: dict[str, list[pulumi.Resource]] = defaultdict(list)
    for record in blueprint.records:
        if record.type is RecordType.A and record.address and record.key in made:
            forward[record.address].append(made[record.key])
    for host in hosts.values():
        host.declare_reverse_dns(forward)
    pulumi.export("digest", blueprint.digest)
    pulumi.export("hosts", [host.summary() for host in hosts.values()])
    pulumi.export("records", pulumi.Output.all(**_ids(made)).apply(_present))


def _by_zone(blueprint: Blueprint) -> dict[str, list[Record]]:
    """Group the records that we write by the zone they stand in."""
    zones: dict[str, list[Record]] = defaultdict(list)
    for record in blueprint.records:
        if record.provider is Dns.CLOUDFLARE:
            zones[record.zone].append(record)
    return dict(zones)


def _known_records(stack: str) -> Collection[str]:
    """Return the keys of the records in the state, which must not be imported again."""
    try:
        resources = Stacks(os.environ.get("PULUMI_BACKEND_URL", "")).resources(stack)
    except BackendUnreachable as error:
        raise StackError(
            "cloud.state_unreachable",
            f"the state of stack {stack} cannot be read: {error}",
            remedy="check PULUMI_BACKEND_URL (postgres://… or file:///…) and what it names",
        ) from None
    return {
        str(resource["urn"]).rsplit("::", 1)[-1]
        for resource in resources
        if resource["type"] == RECORD_TOKEN
    }


def _ids(made: Mapping[str, pulumi.CustomResource]) -> dict[str, pulumi.Output[str | None]]:
    """Return the ids of records; None for one that is not there, as its address is not yet."""
    return {key: known_or_none(record.id) for key, record in made.items()}


def _present(ids: Mapping[str, Any]) -> dict[str, str]:
    return {key: found for key, found in sorted(ids.items()) if found}
