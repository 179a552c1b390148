"""A `CloudEngine` without a cloud, for tests of what stands above it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from datetime import timedelta

from blueprint.document import Address, Blueprint, Host, Record
from blueprint.tenant import Dns
from controlplane.reconciler.ports import (
    Change,
    CloudPlan,
    CloudState,
    Held,
    ObservedAddress,
    ObservedHost,
    Progress,
)
from kit.faults import Fault

RECORD = "cloudflare:index/dnsRecord:DnsRecord"
INSTANCE = "hostwinds:index:Instance"
ADDRESS = "hostwinds:index:SecondaryAddress"


class MemoryEngine:
    """Remembers what it was told to make. Secondary addresses wait until `sell` is called."""

    def __init__(self, zones: Collection[str], *, automatic: bool = False) -> None:
        self.zones = set(zones)
        self.automatic = automatic
        """Whether the portal sells every address at once."""
        self.bought: list[str] = []
        """Server names and address names, in the order of purchase."""
        self._states: dict[str, CloudState] = {}
        self._numbers: dict[str, str] = {}
        self._ids = itertools.count(1001)
        self._addresses = (f"198.18.1.{number}" for number in itertools.count(10))
        self._failures: list[Fault] = []

    def fail_next(self, error: Fault) -> None:
        """Raise this at the next call that does something."""
        self._failures.append(error)

    def sell(self, address: str) -> None:
        """Do what a person does in the provider's portal, for an address by its name."""
        self.bought.append(address)
        self._numbers[address] = next(self._addresses)

    def state(self, tenant: str) -> CloudState:
        """Return what was made last."""
        return self._states.get(tenant, CloudState(digest=None))

    def preview(self, blueprint: Blueprint, progress: Progress) -> CloudPlan:
        """Compare the parts that a tenant has with those that it shall have."""
        self._maybe_fail()
        wanted, present = self._wanted(blueprint), self._present(blueprint.tenant)
        changes = [Change("create", wanted[name], name) for name in wanted if name not in present]
        changes += [Change("delete", present[name], name) for name in present if name not in wanted]
        for change in changes:
            progress(f"{change.name}: to {change.operation}")
        return CloudPlan(tuple(changes))

    def up(
        self,
        blueprint: Blueprint,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
    ) -> CloudState:
        """Make it so, but for addresses that wait."""
        self._maybe_fail()
        old = {host.name: host for host in self.state(blueprint.tenant).hosts}
        held = {zone.zone: zone for zone in self._held(blueprint)}
        hosts = tuple(
            old[host.name] if host.zone in held else self._host(host, old.get(host.name), progress)
            for host in blueprint.hosts
            if host.zone not in held or host.name in old
        )
        numbers = {address.name: address.ip for host in hosts for address in host.addresses}
        known = self.state(blueprint.tenant).records
        records = {
            record.key: known.get(record.key) or f"record-{next(self._ids)}"
            for record in blueprint.records
            if record.provider is Dns.CLOUDFLARE
            and (record.key in known if record.zone in held else _has_content(record, numbers))
        }
        state = CloudState(
            digest=blueprint.digest,
            hosts=hosts,
            records=records,
            pending=tuple(name for name, ip in numbers.items() if ip is None),
            held=tuple(held.values()),
        )
        self._states[blueprint.tenant] = state
        return state

    def refresh(self, tenant: str, progress: Progress) -> CloudPlan:
        """Nothing changes here behind our back."""
        return CloudPlan(())

    def destroy(
        self, tenant: str, progress: Progress, *, deadline: timedelta, fence: int | None = None
    ) -> None:
        """Forget everything of a tenant."""
        self._maybe_fail()
        for host in self._states.pop(tenant, CloudState(digest=None)).hosts:
            progress(f"{host.name}: deleted")
            for address in host.addresses:
                self._numbers.pop(address.name, None)

    def _host(self, host: Host, old: ObservedHost | None, progress: Progress) -> ObservedHost:
        service_id = old.service_id if old and old.server_name == host.server_name else None
        if service_id is None:
            service_id = next(self._ids)
            self.bought.append(host.server_name)
            self._numbers[host.primary.name] = next(self._addresses)
            progress(f"{host.name}: created Instance")
        addresses = tuple(
            ObservedAddress(address.name, self._number(host, address), address.helo)
            for address in host.addresses
        )
        return ObservedHost(host.name, host.server_name, service_id, addresses)

    def _number(self, host: Host, address: Address) -> str | None:
        if self.automatic and address.name not in self._numbers:
            self.sell(address.name)
        return self._numbers.get(address.name)

    def _wanted(self, blueprint: Blueprint) -> Mapping[str, str]:
        parts = {host.name: INSTANCE for host in blueprint.hosts}
        parts |= {
            address.name: ADDRESS for host in blueprint.hosts for address in host.addresses[1:]
        }
        return parts | {
            record.key: RECORD for record in blueprint.records if record.provider is Dns.CLOUDFLARE
        }

    def _present(self, tenant: str) -> Mapping[str, str]:
        state = self.state(tenant)
        parts = {host.name: INSTANCE for host in state.hosts}
        parts |= {
            address.name: ADDRESS
            for host in state.hosts
            for address in host.addresses[1:]
            if address.ip is not None
        }
        return parts | dict.fromkeys(state.records, RECORD)

    def _maybe_fail(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

    def _held(self, blueprint: Blueprint) -> list[Held]:
        wanted = {r.zone for r in blueprint.records if r.provider is Dns.CLOUDFLARE}
        return [
            Held(
                zone,
                "dns.zone_not_found",
                f"zone {zone} is not in the Cloudflare account of this token",
                "add the zone there, or give the token access to it",
            )
            for zone in sorted(wanted - self.zones)
        ]


def _has_content(record: Record, numbers: Mapping[str, str | None]) -> bool:
    return not record.address or numbers[record.address] is not None
