"""The `Verifier` on real name servers and real connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from blueprint.document import Blueprint, Domain
from blueprint.mail_address import domain_of
from blueprint.senders import addresses_of
from controlplane.reconciler.ports import CloudState, Finding, Login
from controlplane.verification.exposure import PortScan
from controlplane.verification.faults import NO_BANNER
from controlplane.verification.hosts import Echo, Hosts, Shell
from controlplane.verification.names import Names
from controlplane.verification.queries import TIMEOUT
from controlplane.verification.records import verify_records
from controlplane.verification.reverse import verify_reverse
from controlplane.verification.submission import Target, verify_certificate, verify_port

SUBMISSION = 587
MAIL = 25
ANYBODY = "anybody"
"""A mailbox that no tenant declares: a domain with a catch-all accepts its mail too."""
CONCURRENT_CONNECTIONS = 16
"""Connections that are open at the same time."""


class InternetVerifier:
    """Looks up names and connects to mail ports from this machine.

    `resolver` is `host[:port]`, None the machine's own; `source` is the local address of
    connections to hosts. `query_timeout` is in seconds, for each of two tries. `echo_mx` is the
    name of the server by which hosts try whether mail leaves, `shell` how they are asked. `roots`
    has the public authorities (PEM) that are trusted, None: those of the system. `scan` looks which
    ports answer; None: ports are not scanned.
    """

    def __init__(
        self,
        *,
        resolver: str | None = None,
        source: str | None = None,
        authoritative_port: int = 53,
        query_timeout: float = TIMEOUT,
        submission_port: int = SUBMISSION,
        mail_port: int = MAIL,
        echo_mx: str | None = None,
        echo_port: int = MAIL,
        shell: Shell | None = None,
        roots: Path | None = None,
        scan: PortScan | None = None,
    ) -> None:
        self._roots = roots
        self._resolver = resolver
        self._source = source
        self._authoritative_port = authoritative_port
        self._query_timeout = query_timeout
        self._submission_port = submission_port
        self._mail_port = mail_port
        self._echo_mx = echo_mx
        self._echo_port = echo_port
        self._shell = shell
        self._scan = scan

    @cached_property
    def _public(self) -> ssl.SSLContext:
        """The public authorities, read once: all those of a system take 30 ms."""
        return ssl.create_default_context(cafile=self._roots)

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Every record at the authoritative and at the recursive server; FCrDNS per address."""
        names = Names(
            self._resolver,
            authoritative_port=self._authoritative_port,
            timeout=self._query_timeout,
            zones={record.zone for record in blueprint.records},
        )
        ips = _ips(state)
        records = await verify_records(blueprint, ips, names)
        # Afterwards, so that the zones' own servers already have the host names.
        return [*records, *await verify_reverse(blueprint, ips, names)]

    async def verify_hosts(
        self,
        blueprint: Blueprint,
        state: CloudState,
        *,
        authority: str,
        logins: Mapping[str, Login],
        unchanged_for: timedelta,
        public_names: Collection[str] = (),
        settled_for: timedelta = timedelta.max,
    ) -> Sequence[Finding]:
        """Banner and TLS of each submission port, and a relay attempt that must be refused.

        On port 25 of a primary address mail to everybody who may send from its domains must be
        accepted, and to their postmaster and abuse desk: receivers want From addresses that can be
        answered. From each address mail has to leave. At each address of a host that was configured
        exactly the listed ports answer.
        """
        trust = ssl.create_default_context(cadata=authority)
        limit = asyncio.Semaphore(CONCURRENT_CONNECTIONS)
        hosts = Hosts(state, logins, self._echo(), self._shell, unchanged_for)

        async def verify(target: Target) -> list[Finding]:
            async with limit:
                found = await verify_port(target, source=self._source)
                if target.trust is None and found[0].code is NO_BANNER:
                    return await hosts.look(target, found)
                if target.public is not None:
                    found += await verify_certificate(target, source=self._source)
                return found

        targets = [
            replace(target, public=self._public)
            if target.trust is None and target.address.helo in public_names
            else target
            for target in self._targets(blueprint, _ips(state), trust)
        ]
        results = await asyncio.gather(
            *(verify(target) for target in targets),
            hosts.outbound(),
            *self._looks(blueprint, _ips(state), logins, settled_for),
        )
        return [finding for findings in results for finding in findings]

    def _looks(
        self,
        blueprint: Blueprint,
        ips: Mapping[str, str],
        configured: Collection[str],
        settled_for: timedelta,
    ) -> Iterator[Awaitable[list[Finding]]]:
        """Return the looks at the ports of each address."""
        if self._scan is None:
            return
        for host in blueprint.hosts:
            for address in host.addresses if host.name in configured else ():
                if ip := ips.get(address.name):
                    yield self._scan.look(host, address, ip, settled_for=settled_for)

    def _echo(self) -> Echo | None:
        if self._echo_mx is None:
            return None
        names = Names(self._resolver, timeout=self._query_timeout)
        return Echo(self._echo_mx, self._echo_port, names, self._source)

    def _targets(
        self, blueprint: Blueprint, ips: dict[str, str], trust: ssl.SSLContext
    ) -> Iterator[Target]:
        for host in blueprint.hosts:
            for address in host.addresses:
                ip = ips.get(address.name)
                if ip and address.sends_bulk:
                    yield Target(address, ip, self._submission_port, trust=trust)
                if ip and address == host.primary:
                    recipients = {
                        domain.name: _recipients(blueprint, domain)
                        for domain in blueprint.domains
                        if domain.is_on(host)
                    }
                    yield Target(address, ip, self._mail_port, recipients=recipients)


def _recipients(blueprint: Blueprint, domain: Domain) -> list[str]:
    """Return the From addresses of a domain, and those that RFC 2142 asks for.

    Where mail of the domain goes elsewhere, its return path alone is ours.
    """
    names = addresses_of(blueprint.mailboxes)
    own = [name for name in names if domain_of(name) == domain.name]
    if domain.catch_all is not None:
        own.append(f"{ANYBODY}@{domain.name}")
    name = domain.name if domain.receives else domain.return_path
    return list(dict.fromkeys([*own, f"postmaster@{name}", f"abuse@{name}"]))


def _ips(state: CloudState) -> dict[str, str]:
    """Return the IPs of the addresses that have one, by name."""
    return {a.name: a.ip for host in state.hosts for a in host.addresses if a.ip}
