"""One command of the engine: what the program declares is created, changed and deleted."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from blueprint.document import Blueprint, Host, Record
from blueprint.naming import purchase_name
from blueprint.records import sender, tenant_mark
from controlplane.pulumi.errors import PENDING
from controlplane.pulumi.faults import RECORD_GONE
from hostwinds.journal import Journal
from hostwinds.provider.resources import RESOURCES, PartlyDone, Services
from kit.faults import Fault
from stacks import cloudflare_api, program
from stacks.backend import INSTANCE, RECORD, STACK
from stacks.domaindns import strings
from stacks.faults import CLOUDFLARE_GONE, OLDER_GENERATION
from stacks.leftovers import Memory, Search
from stacks.state import StackState
from stacks.zones import create_record, list_records
from tests.support.installation import INSTALLATION

ADDRESS, POINTER = "hostwinds:index:SecondaryAddress", "hostwinds:index:ReverseDns"
FIREWALL = "hostwinds:index:Firewall"
HOST, ZONE = "penguin:index:MailHost", "penguin:index:ZoneRecords"
STEP_AFTER_FAILURE = 0.5
"""How likely a step comes although another one has failed: it had begun."""
Properties = dict[str, Any]


@dataclass
class Stack:
    """What is in a checkpoint."""

    rows: dict[tuple[str, str], Properties] = field(default_factory=dict)
    """Resources by type and name, in the order of their creation."""
    replaced: list[Properties] = field(default_factory=list)
    """Resources that have a successor, and are to be deleted."""
    outputs: Properties = field(default_factory=dict)
    written: str | None = None


class Run:
    """One command of the engine, on its own copy of the state."""

    def __init__(
        self,
        tenant: str,
        stack: Stack,
        services: Services,
        journal: Journal,
        chance: random.Random,
        write: Callable[[], None],
        zones: Memory,
    ) -> None:
        self.adopted = False
        """Whether records were adopted, which the next run changes."""
        self._tenant = tenant
        self._stack = stack
        self._services = services
        self._journal = journal
        self._chance = chance
        self._write = write
        self._zones = zones
        self._failures: list[Fault] = []
        self._kept: set[tuple[str, str]] = set()

    def refuse_lower(self, blueprint: Blueprint, replaced: int | None) -> None:
        """Refuse an older generation than the state's."""
        known = int(self._stack.outputs.get("generation") or 0)
        if blueprint.generation < known != replaced:
            raise OLDER_GENERATION(stack=self._tenant, known=known, given=blueprint.generation)

    def refresh(self) -> None:
        """Read every resource again; one failure, and nothing is changed."""
        rows = dict(self._stack.rows)
        zones = {row["inputs"]["zoneId"] for row in rows.values() if row["type"] == RECORD}
        live = {(zone, one["id"]): one for zone in zones for one in list_records(zone)}
        for key, row in self._stack.rows.items():
            observed = self._read(row, live)
            if observed is None:
                del rows[key]
            else:
                rows[key] = {**row, "inputs": observed[0], "outputs": observed[1]}
        self._stack.rows = rows
        self._write()

    def apply(self, blueprint: Blueprint, *, refreshed: bool) -> None:
        """Run the program."""
        self._failures, self._kept, self.adopted = [], set(), False
        if refreshed:
            self.refresh()
        state = StackState(resources(self._stack))
        mark = tenant_mark(INSTALLATION, self._tenant)
        expected = program._known(mark, state, self._journal, blueprint.records)
        search = Search(self._tenant, expected, self._zones)
        zones, held = program._look_up(blueprint, state.records(), search)
        retained = program._retained(blueprint, state, zones, held)
        known = {zone.id for zone in zones.values()}
        lost = program._find_lost(state, known, retained.records)
        held |= program._clear_former(search, state, lost, zones, held)
        held = lost.held | held
        program._refuse_superseded(held)
        retained = program._Retained(retained.hosts, {*retained.records, *lost.gone, *lost.kept})
        self._retain(retained)
        ordered = [
            host
            for host in blueprint.hosts
            if host.zone not in held and host.name not in retained.hosts
            if host.name in state.hosts()
            or (not host.is_retired and program._has_domain(blueprint, held))
        ]
        self._journal.require_bound()
        program._agree(blueprint, ordered, self._journal)
        self._declare(blueprint, ordered, zones, retained)
        summaries: list[Mapping[str, Any]] = [_summary(host) for host in ordered]
        summaries += [s for name in sorted(retained.hosts) if (s := state.host_summary(name))]
        self._stack.outputs = {
            "digest": blueprint.digest,
            "generation": blueprint.generation,
            "hosts": summaries,
            "held": [program._held(zone, fault) for zone, fault in held.items()],
        }
        self._write()
        self._finish()

    def delete_all(self) -> None:
        """Delete what the state has."""
        self._kept = set()
        self._delete_others()

    def _retain(self, retained: Any) -> None:
        for (kind, name), row in self._stack.rows.items():
            of_host = row["parent"].rpartition("::")[2] if kind != RECORD else ""
            if of_host in retained.hosts or (kind == RECORD and name in retained.records):
                self._kept.add((kind, name))

    def _declare(
        self,
        blueprint: Blueprint,
        hosts: list[Host],
        zones: Mapping[str, Any],
        retained: Any,
    ) -> None:
        ips: dict[str, str] = {}
        services: dict[str, int] = {}
        for host in hosts:
            self._declare_host(host, ips, services)
        names = {address.name for host in hosts for address in host.addresses}
        declared = [
            (zone, record)
            for zone in zones.values()
            for record in zone.records
            if not retained.covers(record)
            and program._exists(record, {host.name: host for host in hosts}, names)
        ]
        for zone, record in declared:
            if record.address is not None:
                if record.address in ips:
                    self._declare_record(zone, record, ips[record.address])
                else:
                    self._keep(RECORD, record.key)
        forward = {key for kind, key in self._stack.rows if kind == RECORD}
        missing = {
            sender(host.egress_name)
            for host in blueprint.hosts
            if not any(
                record.key in forward
                for record in blueprint.records
                if record.address in {address.name for address in host.addresses}
            )
        }
        for zone, record in declared:
            if record.content is not None:
                terms = [term for term in record.content.split(" ") if term not in missing]
                self._declare_record(zone, record, " ".join(terms))
        for host in hosts:
            for address in host.addresses:
                if address.name in ips:
                    inputs = {
                        "serviceId": services[host.name],
                        "address": ips[address.name],
                        "hostname": address.helo,
                    }
                    self._step(POINTER, address.name, inputs, f"{HOST}::{host.name}")
                else:
                    self._keep(POINTER, address.name)

    def _declare_host(self, host: Host, ips: dict[str, str], services: dict[str, int]) -> None:
        parent = f"{HOST}::{host.name}"
        inputs = {
            "serverName": host.server_name,
            "cpu": host.cpu,
            "ramMb": host.ram_mb,
            "diskGb": host.disk_gb,
            "location": host.location,
            "image": host.image,
            "billingCycle": "monthly",
            "firewallProfile": host.firewall.profile,
            "inbound": list(host.firewall.inbound),
        }
        row = self._step(INSTANCE, host.name, inputs, parent)
        if row is None or not row["outputs"].get("mainIp"):
            self._keep(FIREWALL, host.name)
            for address in host.addresses:
                self._keep(ADDRESS, address.name)
            return
        services[host.name] = service = int(row["outputs"]["serviceId"])
        ips[host.primary.name] = str(row["outputs"]["mainIp"])
        ports = {"inbound": list(host.firewall.inbound), "outbound": list(host.firewall.outbound)}
        profile = {"serviceId": service, "profile": host.firewall.profile}
        self._step(FIREWALL, host.name, profile | ports, parent)
        for address in host.addresses[1:]:
            name = purchase_name(host.server_name, address.name)
            further = self._step(
                ADDRESS, address.name, {"serviceId": service, "name": name}, parent
            )
            if further is not None and further["outputs"].get("address"):
                ips[address.name] = str(further["outputs"]["address"])

    def _keep(self, kind: str, name: str) -> None:
        self._kept.add((kind, name))

    def _step(self, kind: str, name: str, inputs: Properties, parent: str) -> Properties | None:
        """Create or change a resource of our provider; return its row, None where it failed."""
        self._keep(kind, name)
        resource, row = RESOURCES[kind], self._stack.rows.get((kind, name))
        inputs = inputs | (resource.kept(row["inputs"], inputs) if row else {})
        if row is not None:
            changed = [key for key in resource.inputs if row["inputs"].get(key) != inputs.get(key)]
            if not changed and all(row["outputs"].get(key) for key in resource.outputs):
                return row
            if self._is_skipped():
                return row
            if any(key in resource.replacing for key in changed):
                if resource.delete_first:
                    if not self._done(partial(self._delete, row)):
                        return row
                    del self._stack.rows[kind, name]
                    self._write()
                else:
                    self._stack.replaced.append(row)
                row = None
        if self._is_skipped():
            return row
        try:
            if row is None:
                id_, outputs = resource.create(dict(inputs), self._services)
            else:
                olds = {**row["inputs"], **row["outputs"]}
                id_ = row["id"]
                outputs = resource.update(id_, olds, dict(inputs), self._services)
        except PartlyDone as partly:
            self._failures.append(partly.reason)
            id_, outputs = partly.resource_id, partly.outputs
        except Fault as fault:
            self._failures.append(fault)
            return row
        made = self._row(kind, name, id_, inputs, {**inputs, **outputs}, parent)
        self._stack.rows[kind, name] = made
        self._write()
        return made

    def _declare_record(self, zone: Any, record: Record, content: str) -> None:
        self._keep(RECORD, record.key)
        fields = fields_of(record, content)
        inputs = {"zoneId": zone.id, **fields}
        row = self._stack.rows.get((RECORD, record.key))
        if (row is not None and row["inputs"] == inputs) or self._is_skipped():
            return
        import_id = zone.imports.get(record.key)
        path = f"/zones/{zone.id}/dns_records"
        try:
            if row is not None and row["inputs"]["zoneId"] != zone.id:
                self._stack.replaced.append(row)
                row = None
            if row is not None:
                id_ = row["id"]
                cloudflare_api.change(f"{path}/{id_}", fields)
            elif import_id is not None:
                self.adopted, id_ = True, import_id.partition("/")[2]
                inputs = {"zoneId": zone.id, "comment": record.comment}
            else:
                id_ = str(create_record(zone.id, fields)["id"])
        except Fault as fault:
            gone = row is not None and fault.code is CLOUDFLARE_GONE
            self._failures.append(RECORD_GONE(reason=fault.message) if gone else fault)
            return
        parent = f"{ZONE}::{record.zone}"
        self._stack.rows[RECORD, record.key] = self._row(
            RECORD, record.key, id_, inputs, inputs, parent
        )
        self._write()

    def _is_skipped(self) -> bool:
        """Return whether a step does not come any more, since another one has failed."""
        return bool(self._failures) and self._chance.random() > STEP_AFTER_FAILURE

    def _finish(self) -> None:
        if not self._failures:
            self._delete_others()
        real = [fault for fault in self._failures if fault.code not in PENDING]
        if real:
            raise real[0]

    def _delete_others(self) -> None:
        """Delete what is not declared, the latest first."""
        while self._stack.replaced:
            row = self._stack.replaced[-1]
            self._delete(row)
            self._stack.replaced.pop()
            self._write()
        for key, row in reversed(list(self._stack.rows.items())):
            if key not in self._kept:
                self._delete(row)
                del self._stack.rows[key]
                self._write()

    def _done(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Fault as fault:
            self._failures.append(fault)
            return False
        return True

    def _delete(self, row: Properties) -> None:
        if row["type"] == RECORD:
            cloudflare_api.remove(f"/zones/{row['inputs']['zoneId']}/dns_records/{row['id']}")
            return
        state = {**row["inputs"], **row["outputs"]}
        RESOURCES[row["type"]].delete(row["id"], state, self._services)

    def _read(
        self, row: Properties, records: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> tuple[Properties, Properties] | None:
        if row["type"] == RECORD:
            live = records.get((row["inputs"]["zoneId"], row["id"]))
            if live is None:
                return None
            observed = {key: live.get(key, value) for key, value in row["inputs"].items()}
            return observed, observed
        state = {**row["inputs"], **row["outputs"]}
        found = RESOURCES[row["type"]].read(row["id"], state, self._services)
        return None if found is None else (found[0], {**found[0], **found[1]})

    def _row(
        self,
        kind: str,
        name: str,
        id_: str,
        inputs: Properties,
        outputs: Properties,
        parent: str,
    ) -> Properties:
        return {
            "type": kind,
            "urn": f"urn:pulumi:{self._tenant}::penguin::{kind}::{name}",
            "id": id_,
            "inputs": inputs,
            "outputs": outputs,
            "parent": f"urn:pulumi:{self._tenant}::penguin::{parent}",
        }


def resources(stack: Stack) -> list[Properties]:
    """Return what the product reads of a checkpoint."""
    if stack.written is None:
        return []
    root = {"type": STACK, "urn": f"urn:pulumi:x::penguin::{STACK}::x", "outputs": stack.outputs}
    return [root, *stack.rows.values()]


def fields_of(record: Record, content: str) -> Properties:
    """Return a record as it is written."""
    fields = {
        "name": record.name,
        "type": str(record.type),
        "content": strings(content) if record.type == "TXT" else content,
        "priority": record.priority,
        "ttl": record.ttl,
        "proxied": False,
        "comment": record.comment,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _summary(host: Host) -> Properties:
    addresses = [{"name": address.name, "helo": address.helo} for address in host.addresses]
    return {"name": host.name, "server_name": host.server_name, "addresses": addresses}
