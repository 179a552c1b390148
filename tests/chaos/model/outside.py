"""Hosts, and the look from the Internet, by what both emulated accounts have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from controlplane.ansible.faults import UNREACHABLE
from controlplane.reconciler.ports import CloudState, Finding, HostSecrets, ObservedHost
from controlplane.verification.faults import (
    DIFFERENT,
    MISSING,
    NO_ANSWER,
    PTR_DIFFERENT,
)
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.server import Server
from tests.chaos.model.ends import Ends
from tests.chaos.model.run import fields_of
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.memory_internet import MemoryInternet

if TYPE_CHECKING:
    from tests.chaos.model.world import World


def answers(account: HostwindsAccount, host: ObservedHost) -> bool:
    """Return whether a host can be reached at the main address that the state has."""
    server = running(account, host.service_id)
    return server is not None and server.main_ip == host.primary_ip


def running(account: HostwindsAccount, service_id: int | None) -> Server | None:
    """Return a server that runs."""
    for server in account.all_servers():
        if server.serviceid == service_id and server.booted is not None and not server.off:
            return server
    return None


def _is_shown(planned: str, live: str) -> bool:
    """Return whether a record is as planned; hosts without an address are not named in it yet."""
    terms = live.split(" ")
    expected = [term for term in planned.split(" ") if term in terms or not term.startswith("a:")]
    return terms == expected


class Hosts(MemoryConfigurator):
    """Hosts that outlive the processes which set them up, and end with their servers."""

    def __init__(self, account: HostwindsAccount, ends: Ends) -> None:
        super().__init__()
        self.has: dict[int, dict[str, Any]] = {}
        """The variables that each server was configured with last, by its number."""
        self._account = account
        self._ends = ends
        self._numbers: dict[str, int] = {}
        """Of the last server of a name that was seen."""

    def configure(
        self, blueprint: Blueprint, host: ObservedHost, secrets: HostSecrets, **others: Any
    ) -> int:
        """Apply variables."""
        self._ends.reach(f"before {host.server_name} is configured")
        changed = super().configure(blueprint, host, secrets, **others)
        assert host.service_id is not None
        self.has[host.service_id] = self.given[host.name][0]
        self._ends.reach(f"after {host.server_name} was configured")
        return changed

    def first_contact(self, host: ObservedHost, **others: Any) -> str:
        """Install our key."""
        self._ends.reach(f"before the first contact with {host.server_name}")
        line = super().first_contact(host, **others)
        self._ends.reach(f"after the first contact with {host.server_name}")
        return line

    def _reach(self, host: ObservedHost) -> None:
        if not answers(self._account, host):
            raise UNREACHABLE(reason="no route", where=f"host/{host.name}")
        known = self._numbers.get(host.server_name)
        if known not in (None, host.service_id):  # another server has its name
            self.reinstall(host)
            self._applied.pop(host.server_name, None)
            self._fences.pop(host.server_name, None)
        assert host.service_id is not None
        self._numbers[host.server_name] = host.service_id
        super()._reach(host)


class Internet(MemoryInternet):
    """What name servers and hosts show."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.is_parted = False
        """Whether no name server answers."""
        self._world = world

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Compare records with Cloudflare's, and reverse names with the provider's."""
        seen = MemoryInternet()
        live = {str(record["id"]): record for _, record in self._world.records()}
        ips = {address.name: address.ip for host in state.hosts for address in host.addresses}
        for record in blueprint.records:
            if record.provider is not Dns.CLOUDFLARE or record.key not in state.records:
                continue
            of_address = record.key.partition("/")[0]
            subject = f"domain/{record.domain}" if record.domain else f"address/{of_address}"
            if self.is_parted:
                seen.wrong[subject, "dns.authoritative"] = NO_ANSWER
                continue
            found = live.get(state.records[record.key])
            content = record.content or ips.get(record.address or "") or ""
            if found is None:
                seen.wrong[subject, "dns.authoritative"] = MISSING
            elif not _is_shown(fields_of(record, content)["content"], found["content"]):
                seen.wrong[subject, "dns.authoritative"] = DIFFERENT
        for host in blueprint.hosts:
            for address in host.addresses:
                ip = ips.get(address.name)
                if self.is_parted:
                    seen.wrong[f"address/{address.name}", "fcrdns"] = NO_ANSWER
                elif ip and self._world.nameserver.pointers.get(ip) != address.helo:
                    seen.wrong[f"address/{address.name}", "fcrdns"] = PTR_DIFFERENT
        return await seen.verify_dns(blueprint, state)

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, **others: Any
    ) -> Sequence[Finding]:
        """Find a host dead that cannot be reached, or that nothing was installed on."""
        seen = MemoryInternet()
        account, configured = self._world.hostwinds, self._world.hosts.has
        seen.dead = {
            host.name
            for host in state.hosts
            if not answers(account, host) or host.service_id not in configured
        }
        return await seen.verify_hosts(blueprint, state, **others)
