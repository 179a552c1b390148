"""The outside in memory: a cloud that counts what it sells, and an Internet that can be broken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from controlplane.reconciler.ports import (
    CloudPlan,
    CloudState,
    Finding,
    ObservedAddress,
    ObservedHost,
    Progress,
)
from kit.faults import Code


class Killed(BaseException):
    """The process is gone: no handler runs, nothing more is written."""


class Kill:
    """Kills the process at a named point, once."""

    def __init__(self) -> None:
        self.at: str | None = None

    def here(self, point: str) -> None:
        if self.at == point:
            self.at = None
            raise Killed(point)


class MemoryCloud:
    """Stacks by tenant. Instances are sold once per server name, whatever happens around it."""

    def __init__(self, kill: Kill) -> None:
        self.stacks: dict[str, CloudState] = {}
        self.sold: list[str] = []
        self.withheld: set[str] = set()
        """Addresses that the portal has not given yet."""
        self.ups = 0
        self.keeps_after_destroy = 0
        self.fence = 0
        self.failures: list[Exception] = []
        self._kill = kill

    def state(self, tenant: str) -> CloudState:
        return self.stacks.get(tenant, CloudState(digest=None))

    def preview(self, blueprint: Blueprint, progress: Progress) -> CloudPlan:
        return CloudPlan(())

    def refresh(self, tenant: str, progress: Progress) -> CloudPlan:
        return CloudPlan(())

    def up(
        self,
        blueprint: Blueprint,
        progress: Progress,
        *,
        deadline: timedelta,
        fence: int | None = None,
    ) -> CloudState:
        assert fence is not None
        assert fence >= self.fence
        self.fence = fence
        self._kill.here("before up")
        if self.failures:
            raise self.failures.pop(0)
        self.ups += 1
        hosts, pending = [], []
        for number, host in enumerate(blueprint.hosts, 1):
            if host.server_name not in self.sold:
                self.sold.append(host.server_name)
                progress(f"bought {host.server_name}")
            addresses = []
            for address in host.addresses:
                waits = address.name in self.withheld
                pending += [address.name] if waits else []
                ip = None if waits else f"198.51.100.{number * 10 + address.index}"
                addresses.append(ObservedAddress(address.name, ip, address.helo))
            hosts.append(ObservedHost(host.name, host.server_name, 100 + number, tuple(addresses)))
        records = {
            record.key: f"record-{record.key}"
            for record in blueprint.records
            if record.provider is Dns.CLOUDFLARE and record.address not in pending
        }
        after = CloudState(blueprint.digest, tuple(hosts), records, tuple(pending))
        self.stacks[blueprint.tenant] = after
        self._kill.here("after up")
        return after

    def destroy(
        self, tenant: str, progress: Progress, *, deadline: timedelta, fence: int | None = None
    ) -> None:
        self._kill.here("before destroy")
        if self.keeps_after_destroy:
            self.keeps_after_destroy -= 1
            return
        self.stacks.pop(tenant, None)
        self._kill.here("after destroy")


class MemoryInternet:
    """Sees everything right, except what `wrong` names by subject and check."""

    def __init__(self, kill: Kill) -> None:
        self.wrong: dict[tuple[str, str], Code] = {}
        self._kill = kill

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        self._kill.here("dns")
        domains = [
            self._seen(f"domain/{domain.name}", "dns.authoritative") for domain in blueprint.domains
        ]
        addresses = [
            self._seen(f"address/{address.name}", "fcrdns")
            for host in state.hosts
            for address in host.addresses
            if address.ip
        ]
        return domains + addresses

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, *, authority: str
    ) -> Sequence[Finding]:
        self._kill.here("verification")
        return [
            self._seen(f"address/{address.name}", "smtp.tls")
            for host in state.hosts
            for address in host.addresses
            if address.ip
        ]

    def _seen(self, subject: str, check: str) -> Finding:
        code = self.wrong.get((subject, check))
        if code is None:
            return Finding(subject, check, True, "right")
        return Finding.of(subject, check, code.shown())
