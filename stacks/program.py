"""Declares everything in the cloud for one blueprint; both doors end here."""

from __future__ import annotations

import json
import os
from collections import defaultdict

import pulumi

from blueprint.document import Blueprint, Record, RecordType
from blueprint.tenant import Dns
from stacks.domaindns import ZoneRecords, ZoneRecordsArgs
from stacks.mailhost import MailHost, MailHostArgs

IMPORTS = "PENGUIN_IMPORTS"
"""JSON of record key to import id: records with our mark that the state does not know."""


def declare(blueprint: Blueprint) -> None:
    """Declare hosts, addresses, records, reverse DNS, and export what the control plane reads."""
    hosts = {host.name: MailHost(host.name, MailHostArgs(host)) for host in blueprint.hosts}
    addresses = {name: ip for host in hosts.values() for name, ip in host.addresses.items()}
    imports = json.loads(os.environ.get(IMPORTS, "{}"))
    made: dict[str, pulumi.CustomResource] = {}
    for zone, records in _by_zone(blueprint).items():
        made.update(ZoneRecords(zone, ZoneRecordsArgs(zone, records, addresses, imports)).made)
    forward: dict[str, list[pulumi.Resource]] = defaultdict(list)
    for record in blueprint.records:
        if record.type is RecordType.A and record.address and record.key in made:
            forward[record.address].append(made[record.key])
    for host in hosts.values():
        host.declare_reverse_dns(forward)
    pulumi.export("digest", blueprint.digest)


def _by_zone(blueprint: Blueprint) -> dict[str, list[Record]]:
    """Group the records that we write by the zone they stand in."""
    zones: dict[str, list[Record]] = defaultdict(list)
    for record in blueprint.records:
        if record.provider is Dns.CLOUDFLARE:
            zones[record.zone].append(record)
    return dict(zones)
