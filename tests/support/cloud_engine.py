"""A test double of the port `CloudEngine`: an engine with state, and a separate account.

It passes `tests/support/engine_conformance.py`, as the real engine does. The account is independent
of the state: a run may end before its state is written, and people use the portal.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

from blueprint.document import Blueprint, Host, Record
from blueprint.tenant import Dns
from blueprint.zones import possible_zones
from controlplane.reconciler.ports import (
    Change,
    CloudPlan,
    CloudState,
    Held,
    Listing,
    ObservedAddress,
    ObservedHost,
    Progress,
)
from controlplane.reconciler.ports import Server as Observed
from hostwinds.faults import SUPERSEDED, VANISHED
from stacks.faults import OLDER_GENERATION, ZONE_NOT_FOUND
from tests.support.points import Points

INSTANCE = "hostwinds:index:Instance"
ADDRESS = "hostwinds:index:SecondaryAddress"
RECORD = "cloudflare:index/dnsRecord:DnsRecord"


@dataclass
class Server:
    """A VPS at the provider: its service id, its main address, and additional ones by name."""

    service_id: int
    main_ip: str
    free: list[str] = field(default_factory=list)
    """Addresses that no resource has adopted."""
    adopted: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    """As the provider lists it."""


class Account:
    """Resources at the providers. With `sells`, the portal provides each requested address."""

    def __init__(self, zones: Collection[str] | None = None, *, sells: bool = True) -> None:
        self.zones = zones
        """Zones that can be looked up; None: all."""
        self.sells = sells
        self.withheld: set[str] = set()
        """Names of addresses that the portal does not provide yet."""
        self.servers: dict[str, Server] = {}
        self.ended: list[tuple[str, Server]] = []
        """Labels and servers that have ended."""
        self.forgotten: set[str] = set()
        """Labels whose last purchase a person has closed."""
        self.is_recent = False
        """Whether servers that have ended were ordered less than a day ago."""
        self.answers = True
        """Whether the provider answers who asks for all servers."""
        self.answers_of_one = True
        """Whether it answers who asks for one that has ended."""
        self.unended: list[str] = []
        """What is wrong with servers whose end the provider has accepted."""
        self.is_slow = False
        """Whether servers that are ordered now have no address before `finish`."""
        self.spam_asked: list[int] = []
        """Service ids."""
        self.known_spam: dict[int, tuple[str, ...]] = {}
        """As it was given last."""
        self.listed_as_spam: list[str] = []
        """What the provider lists as spam, of each server."""
        self.bought: list[str] = []
        """Labels of servers, in the order of purchase."""
        self._numbers = itertools.count(1001)
        self._addresses = (f"198.51.100.{number}" for number in itertools.count(10))

    def order(self, label: str) -> Server:
        """Sell a server."""
        self.bought.append(label)
        self.forgotten.discard(label)
        main_ip = "" if self.is_slow else next(self._addresses)
        self.servers[label] = Server(next(self._numbers), main_ip)
        return self.servers[label]

    def finish(self, label: str) -> None:
        """Give a server its address: the provider has created it."""
        self.servers[label].main_ip = next(self._addresses)

    def sell_address(self, label: str) -> None:
        """Add an address, as a person does in the provider's portal."""
        self.servers[label].free.append(next(self._addresses))

    def move(self, label: str) -> str:
        """Give a server another main address, as a person does in the portal; return it."""
        self.servers[label].main_ip = next(self._addresses)
        return self.servers[label].main_ip

    def listed(self) -> Listing | None:
        """List all servers; None while the provider does not answer."""
        if not self.answers:
            return None
        return Listing(
            {server.service_id: server.main_ip for server in self.servers.values()},
            frozenset(label for label, server in self.servers.items() if server.main_ip),
            {
                server.service_id: frozenset(
                    filter(None, [server.main_ip, *server.free, *server.adopted.values()])
                )
                for server in self.servers.values()
            },
            list(self.unended),
            {one.service_id: one.trouble for one in self.servers.values() if one.trouble},
        )

    def spam(self, service_id: int) -> tuple[str, ...] | None:
        """Return what is listed as spam of a server; None while the provider does not answer."""
        self.spam_asked.append(service_id)
        return tuple(self.listed_as_spam) if self.answers else None

    def use(
        self,
        listed: Mapping[int, str] | None,
        spam: Mapping[int, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """Remember the spam; `look` shows the account as it is."""
        if listed is not None:
            self.known_spam = dict(spam)

    def look(
        self, service_ids: Collection[int], last: Mapping[int, str | None]
    ) -> dict[int, Observed]:
        """Return servers as the provider shows them."""
        del last  # they are shown as they are now
        shown = {
            server.service_id: Observed(server.main_ip, tuple(self.listed_as_spam))
            for server in self.servers.values()
        }
        ended = {
            server.service_id: Observed(
                "",
                None,
                exists=False,
                is_forgotten=label in self.forgotten,
                is_recent=self.is_recent,
            )
            for label, server in self.ended
            if self.answers_of_one
        }
        return {id_: one for id_, one in (ended | shown).items() if id_ in service_ids}

    def trouble(self, service_id: int) -> str | None:
        """Return why a server does not run; None while the provider does not answer."""
        shown = [one.trouble for one in self.servers.values() if one.service_id == service_id]
        return shown[0] if shown and self.answers_of_one else None

    def forget(self, service_id: int) -> None:
        """Close the purchase of a server that has ended."""
        self.forgotten |= {label for label, one in self.ended if one.service_id == service_id}

    def end(self, label: str) -> None:
        """Terminate a server; idempotent."""
        if (server := self.servers.pop(label, None)) is not None:
            self.ended.append((label, server))

    def address(self, label: str, name: str) -> str | None:
        """Return an additional address of a server by its name, adopting a free one."""
        server = self.servers[label]
        if name not in server.adopted:
            if self.sells and name not in self.withheld:
                self.sell_address(label)
            if server.free:
                server.adopted[name] = server.free.pop(0)
        return server.adopted.get(name)


class InMemoryEngine:
    """A `CloudEngine` that writes its state at the end of a run, as a checkpoint.

    It passes the points `before up`, `bought`, `after up`, `before destroy`, `after destroy`.
    """

    def __init__(self, account: Account, points: Points | None = None) -> None:
        self.account = account
        self.stacks: dict[str, CloudState] = {}
        """The last checkpoints, by tenant."""
        self.ups = 0
        self.in_background = False
        """Whether nobody had asked for the last run."""
        self.pointers_set: set[str] = set()
        """Addresses whose reverse names were set again."""
        self.failures: list[Exception] = []
        """Raised by the next runs, in this order."""
        self.ignored_destroys = 0
        """How many of the next `destroy` calls delete nothing."""
        self.lines: list[str] = []
        """Progress lines that the next run reports last."""
        self._at = points or Points()
        self._fences: dict[str, int] = {}
        self._times = itertools.count(1)
        self._journal: dict[str, str] = {}
        """Tenants by the label of an ordered server."""

    def state(self, tenant: str) -> CloudState:
        """Return the last checkpoint."""
        return self.stacks.get(tenant, CloudState(digest=None))

    def version(self, tenant: str) -> str | None:
        """Return when the last checkpoint was written."""
        stack = self.stacks.get(tenant)
        return stack.written if stack is not None else None

    def refresh_by_hand(self, tenant: str, *, gone: Collection[str] = ()) -> None:
        """Bring the state to what exists, as `pulumi refresh` does; `gone` are records that other
        people have deleted."""
        state = self.state(tenant)
        hosts = [self._refreshed(host) for host in state.hosts]
        self.stacks[tenant] = replace(
            state,
            hosts=tuple(filter(None, hosts)),
            records={key: id_ for key, id_ in state.records.items() if key not in gone},
            written=str(next(self._times)),
        )

    def preview(self, blueprint: Blueprint, progress: Progress) -> CloudPlan:
        """Compare the desired resources of a tenant with its state."""
        state, held = self.state(blueprint.tenant), self._held(blueprint)
        desired = {host.name: INSTANCE for host in blueprint.hosts if host.zone not in held} | {
            address.name: ADDRESS
            for host in blueprint.hosts
            for address in host.addresses[1:]
            if host.zone not in held
        }
        desired |= {
            record.key: RECORD for record in _managed_records(blueprint) if record.zone not in held
        }
        present = {host.name: INSTANCE for host in state.hosts} | {
            address.name: ADDRESS
            for host in state.hosts
            for address in host.addresses[1:]
            if address.ip is not None
        }
        present |= dict.fromkeys(state.records, RECORD)
        retained = self._retained(blueprint, state, held)
        changes = [Change("create", desired[name], name) for name in desired if name not in present]
        changes += [
            Change("delete", present[name], name)
            for name in present
            if name not in desired and name not in retained
        ]
        for change in changes:
            progress(f"{change.name}: to {change.operation}")
        return CloudPlan(tuple(changes), tuple(held.values()))

    def up(
        self,
        blueprint: Blueprint,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
        background: bool = False,
        refreshed: bool = False,
        forgotten: Collection[str] = (),
        replaced: int | None = None,
        lost_pointers: Collection[str] = (),
    ) -> CloudState:
        """Apply a blueprint, except for held zones and pending addresses."""
        tenant = blueprint.tenant
        self._raise_fence(tenant, fence)
        self._at("before up")
        if self.failures:
            raise self.failures.pop(0)
        known = self.state(tenant).generation or 0
        if blueprint.generation < known != replaced:
            raise OLDER_GENERATION(stack=tenant, known=known, given=blueprint.generation)
        self.ups += 1
        self.in_background = background
        self.pointers_set |= set(lost_pointers) if refreshed else set()
        before, held = self.state(tenant), self._held(blueprint)
        if refreshed:
            hosts_now = [self._refreshed(host) for host in before.hosts]
            before = replace(before, hosts=tuple(filter(None, hosts_now)))
        retained = self._retained(blueprint, before, held)
        hosts = {host.name: host for host in before.hosts if host.name in retained}
        for host in blueprint.hosts:
            if host.zone not in held and host.name not in hosts:
                existing = next((old for old in before.hosts if old.name == host.name), None)
                if existing is None and host.is_retired:
                    continue
                hosts[host.name] = self._host(host, existing, tenant, fence, progress)
        ips = {address.name: address.ip for host in hosts.values() for address in host.addresses}
        records = {key: id_ for key, id_ in before.records.items() if key in retained}
        for record in _managed_records(blueprint):
            if record.zone not in held and (not record.address or ips.get(record.address)):
                records[record.key] = before.records.get(record.key, f"id-of-{record.key}")
        for old in before.hosts:
            if old.name not in hosts or hosts[old.name].server_name != old.server_name:
                self._end(old.server_name)
        self.stacks[tenant] = CloudState(
            digest=blueprint.digest,
            generation=blueprint.generation,
            hosts=tuple(hosts.values()),
            records=records,
            pending=tuple(name for name, ip in ips.items() if ip is None),
            held=tuple(held.values()),
            written=str(next(self._times)),
        )
        while self.lines:
            progress(self.lines.pop(0))
        self._at("after up")
        return self.stacks[tenant]

    def destroy(
        self,
        tenant: str,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
        background: bool = False,
        forgotten: Collection[str] = (),
    ) -> None:
        """Delete the tenant's servers, also ordered ones that are in no state."""
        self._raise_fence(tenant, fence)
        self._at("before destroy")
        if self.ignored_destroys:
            self.ignored_destroys -= 1
            return
        for label in [label for label, owner in self._journal.items() if owner == tenant]:
            progress(f"{label}: deleted")
            self._end(label)
        self.stacks.pop(tenant, None)
        self._at("after destroy")

    def _host(
        self,
        host: Host,
        existing: ObservedHost | None,
        tenant: str,
        fence: int | None,
        progress: Progress,
    ) -> ObservedHost:
        """Return a host from the state, else from the account, else newly ordered."""
        label = host.server_name
        if existing is None or existing.server_name != label:
            if label not in self.account.servers:
                if fence is not None and fence < self._fences[tenant]:
                    raise SUPERSEDED(name=tenant)
                if label in self.account.bought and label not in self.account.forgotten:
                    raise VANISHED(what=label)
                self._journal[label] = tenant
                self.account.order(label)
            progress(f"{host.name}: waiting until {label} is listed")
            self._at("bought")
            existing = ObservedHost(host.name, label, self.account.servers[label].service_id, ())
        primary = existing.primary_ip
        if primary is None and label in self.account.servers:
            primary = self.account.servers[label].main_ip or None
        ips = {address.name: address.ip for address in existing.addresses}
        addresses = [ObservedAddress(host.primary.name, primary, host.primary.helo)]
        for address in host.addresses[1:]:
            ip = ips.get(address.name)
            if ip is None and primary and label in self.account.servers:
                ip = self.account.address(label, address.name)
            addresses.append(ObservedAddress(address.name, ip, address.helo))
        return ObservedHost(host.name, label, existing.service_id, tuple(addresses))

    def _refreshed(self, host: ObservedHost) -> ObservedHost | None:
        """Return a host with the main address that its server has now; None when it has ended."""
        server = self.account.servers.get(host.server_name)
        if server is None:
            return None
        return replace(
            host, addresses=(replace(host.addresses[0], ip=server.main_ip), *host.addresses[1:])
        )

    def _end(self, label: str) -> None:
        self.account.end(label)
        self.account.forgotten.add(label)
        self._journal.pop(label, None)

    def _raise_fence(self, tenant: str, fence: int | None) -> None:
        if fence is not None:
            if fence < self._fences.get(tenant, 0):
                raise SUPERSEDED(name=tenant)
            self._fences[tenant] = fence

    def _held(self, blueprint: Blueprint) -> dict[str, Held]:
        if self.account.zones is None:
            return {}
        missing = {
            name
            for name in {record.zone for record in _managed_records(blueprint)}
            if not self._is_in_a_zone(name, blueprint)
        }
        faults = {zone: ZONE_NOT_FOUND(zone=zone) for zone in sorted(missing)}
        return {
            zone: Held(zone, str(fault.code), fault.message, fault.remedy)
            for zone, fault in faults.items()
        }

    def _is_in_a_zone(self, name: str, blueprint: Blueprint) -> bool:
        """Return whether the account has a zone that a name is in."""
        zones = [name] if name in blueprint.named_zones else possible_zones(name)
        return any(zone in (self.account.zones or ()) for zone in zones)

    @staticmethod
    def _retained(blueprint: Blueprint, state: CloudState, held: Collection[str]) -> set[str]:
        """Return the names of hosts, addresses and records of held zones."""
        hosts = {host.name for host in blueprint.hosts if host.zone in held}
        records = {record.key for record in _managed_records(blueprint) if record.zone in held}
        addresses = {
            address.name for host in state.hosts if host.name in hosts for address in host.addresses
        }
        of_hosts = {key for key in state.records if key.partition("/")[0] in addresses}
        return (hosts & {host.name for host in state.hosts}) | records | addresses | of_hosts


def _managed_records(blueprint: Blueprint) -> list[Record]:
    """Return the records that the engine manages."""
    return [record for record in blueprint.records if record.provider is Dns.CLOUDFLARE]
