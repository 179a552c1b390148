"""All verifiers behave the same: the one with real servers, and the double of other tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.reconciler.ports import (
    CloudState,
    Finding,
    Login,
    ObservedAddress,
    ObservedHost,
    Verifier,
)
from controlplane.verification import InternetVerifier
from controlplane.verification.exposure import PortScan
from controlplane.verification.faults import (
    EXPOSED,
    INBOUND_REFUSED,
    MISSING,
    OPEN_RELAY,
    PTR_DIFFERENT,
    SERVER_FAILED,
    TLS_FAILED,
    UNCLEAR,
)
from controlplane.verification.outbound.faults import OUTBOUND_CLOSED
from controlplane.verification.submission import OTHER_DOMAIN
from tests.support.memory_internet import MemoryInternet
from tests.support.verifier_conformance import (
    BULK,
    CHECKS,
    MANUAL,
    OURS,
    PRIMARY,
    Surroundings,
    one_host,
)

from .echo import EchoServer, LocalShell
from .mail_server import MailServer
from .name_server import NameServer, reverse

IPS = {"mx1-1": "127.0.0.1", "mx1-2": "127.0.0.2"}
Check = Callable[[Surroundings], Awaitable[None]]


def applied(blueprint: Blueprint) -> CloudState:
    """Return the engine's state after a run."""
    [host] = blueprint.hosts
    addresses = tuple(
        ObservedAddress(address.name, IPS[address.name], address.helo) for address in host.addresses
    )
    return CloudState(
        blueprint.digest,
        (ObservedHost("mx1", host.server_name, 1, addresses),),
        {record.key: "id" for record in blueprint.records},
    )


class OnServers:
    """The real verifier, with name and mail servers on this machine."""

    def __init__(
        self,
        names: NameServer,
        submission: MailServer,
        inbound: MailServer,
        echo: EchoServer,
        directory: Path,
    ) -> None:
        self.blueprint = one_host()
        self.state = applied(self.blueprint)
        self.authority = submission.authority.certificate
        self.logins: Mapping[str, Login] = {"mx1": Login("key of the host", "key of the tenant")}
        self._names, self._submission, self._inbound = names, submission, inbound
        self._echo, self._shell = echo, LocalShell(self.state, echo, directory)
        own = {"mx1-1": inbound.port, "mx1-2": submission.port}
        self._scan = PortScan(
            watched={}, expected=lambda _, address: frozenset({own[address.name]})
        )
        self.verifier = self._verifier(submission.port, inbound.port)
        names.serve(self.blueprint, IPS)
        names.set_record(echo.mx, "A", "127.0.0.1")
        inbound.replies = {
            f"{name}@{domain}": "250 OK"
            for own in self.blueprint.domains
            for domain in (own.name, own.return_path)
            for name in ("postmaster", "abuse")
        }
        inbound.replies |= {box.address: "250 OK" for box in self.blueprint.mailboxes}

    def _verifier(self, submission_port: int, mail_port: int) -> Verifier:
        return InternetVerifier(
            resolver=f"127.0.0.1:{self._names.port}",
            authoritative_port=self._names.port,
            submission_port=submission_port,
            mail_port=mail_port,
            echo_mx=self._echo.mx,
            echo_port=self._echo.port,
            shell=self._shell,
            scan=self._scan,
        )

    def lose_record(self, domain: str) -> None:
        self._names.set_record(domain, "MX")

    def lose_reverse_name(self, address: str) -> None:
        self._names.set_record(reverse(IPS[address]), "PTR")

    def silence_name_servers(self) -> None:
        self._names.trouble = {"own": "servfail", "cached": "servfail"}

    def break_tls(self, address: str) -> None:
        self._submission.certified = "other.example"

    def open_relay(self, address: str) -> None:
        self._submission.replies = {OTHER_DOMAIN: "250 OK"}

    def defer(self, address: str) -> None:
        self._submission.replies = {OTHER_DOMAIN: "450 later"}

    def refuse_mail(self, domain: str) -> None:
        for refused in (domain, f"b.{domain}"):
            self._inbound.replies[f"abuse@{refused}"] = "550 no such user"

    def close_outbound(self, address: str) -> None:
        self._echo.closed = {IPS[address]}

    def open_port(self, address: str) -> None:
        assert address == "mx1-1", "the echo MX has its IP"
        self._scan.watched = {self._echo.port: "an internal service"}

    def stop_host(self) -> None:
        self._shell.dead.add("mx1")
        self._scan.expected = lambda _, __: frozenset({1})
        self.verifier = self._verifier(1, 1)


class InMemory:
    """The double."""

    def __init__(self, kind: type[MemoryInternet] = MemoryInternet) -> None:
        self.blueprint = one_host()
        self.state = applied(self.blueprint)
        self.authority = ""
        self.logins: Mapping[str, Login] = {}
        self._internet = kind()
        self.verifier: Verifier = self._internet

    def lose_record(self, domain: str) -> None:
        if domain == "manual.example":
            self._internet.wrong[f"domain/{domain}", "dns.manual"] = MISSING
            return
        remaining = {key: id_ for key, id_ in self.state.records.items() if key != f"{domain}/MX"}
        self.state = replace(self.state, records=remaining)

    def lose_reverse_name(self, address: str) -> None:
        self._internet.wrong[f"address/{address}", "fcrdns"] = PTR_DIFFERENT

    def silence_name_servers(self) -> None:
        for subject in (OURS, MANUAL, PRIMARY, BULK):
            self._internet.wrong[subject, "dns.authoritative"] = SERVER_FAILED
            self._internet.wrong[subject, "fcrdns"] = SERVER_FAILED
        self._internet.wrong[MANUAL, "dns.manual"] = SERVER_FAILED

    def break_tls(self, address: str) -> None:
        self._internet.wrong[f"address/{address}", "smtp.tls"] = TLS_FAILED

    def open_relay(self, address: str) -> None:
        self._internet.wrong[f"address/{address}", "smtp.relay"] = OPEN_RELAY

    def defer(self, address: str) -> None:
        self._internet.wrong[f"address/{address}", "smtp.relay"] = UNCLEAR

    def refuse_mail(self, domain: str) -> None:
        self._internet.wrong[f"domain/{domain}", "smtp.inbound"] = INBOUND_REFUSED

    def close_outbound(self, address: str) -> None:
        self._internet.wrong[f"address/{address}", "smtp.outbound"] = OUTBOUND_CLOSED

    def open_port(self, address: str) -> None:
        self._internet.wrong[f"address/{address}", "ports"] = EXPOSED

    def stop_host(self) -> None:
        self._internet.dead = {"mx1"}


class Trusting(MemoryInternet):
    """Reports desired records as correct without a look-up, as a double must not."""

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        return [Finding(f"domain/{domain.name}", "dns.authoritative", True, "right")
                for domain in blueprint.domains]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
async def test_verifier_on_servers_conforms(
    mail: Callable[..., Awaitable[MailServer]], echo: EchoServer, tmp_path: Path, check: Check
) -> None:
    names = await NameServer.start()
    submission = await mail(IPS["mx1-2"], "mx1-2.acme.example")
    inbound = await mail(IPS["mx1-1"], "mx1.acme.example")
    try:
        await check(OnServers(names, submission, inbound, echo, tmp_path))
    finally:
        await names.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
async def test_verifier_in_memory_conforms(check: Check) -> None:
    await check(InMemory())


async def test_verifier_that_believes_what_was_ordered_does_not_conform() -> None:
    failed = 0
    for check in CHECKS:
        try:
            await check(InMemory(Trusting))
        except AssertionError:
            failed += 1
    assert failed >= 4
