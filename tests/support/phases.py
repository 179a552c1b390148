"""All phases, with the doubles that a test provides for their ports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from blueprint.document import Blueprint, Firewall
from composition.phases import Adapters, make_phases
from controlplane.ansible.faults import UNREACHABLE
from controlplane.checks.kinds import Intervals
from controlplane.conditions.failures import FailureThreshold
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals
from controlplane.reconciler.awaiting import PROVISIONING
from controlplane.reconciler.checks import Checks, Outside
from controlplane.reconciler.issuance import Ports
from controlplane.reconciler.mail_ports import Mailboxes, OwnMailbox, RoundTrips, Spooled, Spools
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.ports import (
    CloudEngine,
    Configurator,
    Finding,
    Links,
    Login,
    ObservedHost,
    Progress,
    Server,
    Servers,
    Verifier,
)
from controlplane.tenants.draining import LONGEST
from controlplane.verification.faults import UNANSWERED
from controlplane.verification.roundtrip.faults import UNCLEAR, UNREPORTED, UNTRIED
from kit.faults import Code, Fault
from tests.support.memory_authority import memory_ports


class EmptySpools:
    """Hosts without mail, but for what a test puts there."""

    def __init__(self) -> None:
        self.queue_ids: dict[str, set[str]] = {}
        """By address."""
        self.return_paths: dict[str, str] = {}
        """The domains that their return paths are in, by queue id."""
        self.of_people: dict[str, set[str]] = {}
        """In the queue of Mailu, by host."""
        self.dead: set[str] = set()
        """Names of hosts that do not answer."""

    def look(
        self,
        host: ObservedHost,
        login: Login,
        addresses: Collection[str],
        return_paths: Collection[str] = (),
    ) -> Spooled:
        """Return what a test has put there."""
        if host.name in self.dead:
            raise UNREACHABLE(reason="no route", where=f"host/{host.name}")
        found = {address: set(self.queue_ids.get(address, ())) for address in addresses}
        every = set().union(*found.values())
        return Spooled(
            found,
            {
                path: {id_ for id_ in every if self.return_paths.get(id_) == path}
                for path in return_paths
            },
            self.of_people.get(host.name, ()),
        )


class MemoryLinks:
    """Names for links that are right but for what a test sets."""

    def __init__(self) -> None:
        self.wrong: dict[str, tuple[str, Code]] = {}
        """Check that fails, and how, by From domain."""

    async def look(self, blueprint: Blueprint) -> Sequence[Finding]:
        """Report what a test has set."""
        findings: list[Finding] = []
        for domain in blueprint.domains:
            if domain.unsubscribe_host is None:
                continue
            part = f"domain/{domain.name}"
            failing, code = self.wrong.get(domain.name, ("", None))
            for check in ("links.name", "links.https"):
                if check == failing and code is not None:
                    checked = code not in UNANSWERED
                    findings.append(Finding.of(part, check, code.shown(), checked=checked))
                    break
                findings.append(Finding(part, check, True, "right"))
        return findings


class NoMailboxes:
    """Hosts without Mailu: nothing of theirs is asked for."""

    def reconcile(self, host: ObservedHost, *_: object, **__: object) -> Plan:
        """Refuse."""
        raise AssertionError(f"{host.name} has no mailboxes in Mailu")

    def stop(self, host: ObservedHost, *_: object, **__: object) -> None:
        """Refuse."""
        raise AssertionError(f"{host.name} has no mailboxes in Mailu")

    def move(self, host: ObservedHost, *_: object, **__: object) -> None:
        """Refuse."""
        raise AssertionError(f"{host.name} has no mailboxes in Mailu")

    def answer(self, host: ObservedHost, *_: object) -> list[dict[str, object]]:
        """Refuse."""
        raise AssertionError(f"{host.name} has no mailboxes in Mailu")


class RightMailboxes:
    """Hosts whose Mailu has what is declared."""

    def reconcile(
        self,
        host: ObservedHost,
        login: Login,
        token: str,
        tenants: Sequence[TenantMail],
        removals: Removals,
        own: OwnTokens,
        **_: object,
    ) -> Plan:
        """Find nothing to do, but for the tokens of our mailboxes."""
        for domain, kept in own.kept.items():
            if not kept:
                own.keep(domain, "control plane", f"token of {domain}")
        return Plan()

    def stop(self, *_: object, **__: object) -> None:
        """Find nothing to do."""

    def move(self, *_: object, **__: object) -> None:
        """Find nothing to do."""

    def answer(self, *_: object) -> list[dict[str, object]]:
        """Answer nothing: a test that asks has another double."""
        return []


class MemoryMail:
    """Mail that comes back as it should, but for what a test sets."""

    def __init__(self) -> None:
        self.wrong: dict[tuple[str, str], Code] = {}
        """Codes of failing checks, by domain and check."""
        self.tried: list[OwnMailbox] = []

    def attempt(self, mailbox: OwnMailbox, *, progress: Progress) -> Sequence[Finding]:
        """Report what a test has set."""
        self.tried.append(mailbox)
        findings: list[Finding] = []
        subject = f"domain/{mailbox.domain}"
        for check in ("mail.in", "mail.out"):
            if (code := self.wrong.get((mailbox.domain, check))) is not None:
                if code in (UNREPORTED, UNTRIED):
                    return [*findings, Finding.remark(subject, check, code.shown())]
                checked = code is not UNCLEAR
                return [*findings, Finding.of(subject, check, code.shown(), checked=checked)]
            findings.append(Finding(subject, check, True, "right"))
            progress(f"{check} is right")
        return findings


class Unseen:
    """A provider that does not answer."""

    def listed(self) -> None:
        """Return nothing."""

    def spam(self, service_id: int) -> None:
        """Return nothing."""

    def use(
        self,
        listed: Mapping[int, str] | None,
        spam: Mapping[int, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """Do nothing."""

    def look(
        self, service_ids: Collection[int], last: Mapping[int, str | None]
    ) -> Mapping[int, Server]:
        """Return nothing."""
        return {}

    def trouble(self, service_id: int) -> str | None:
        """Return nothing."""

    def forget(self, service_id: int) -> None:
        """Do nothing."""


def checks_of(verifier: Verifier, links: Links | None = None) -> Checks:
    """Return checks that each pass makes by itself."""
    outside = Outside(verifier, links or MemoryLinks())
    return Checks(outside, {}, lambda _: None)


def standard(
    engine: CloudEngine,
    verifier: Verifier,
    configurator: Configurator,
    *,
    servers: Servers | None = None,
    root_password: Callable[[int], str | None] = lambda _: "first",
    messages_a_day: int = 50,
    firewall: Callable[[int, Firewall], Fault | None] = lambda *_: None,
    spools: Spools | None = None,
    certificates: Ports | None = None,
    links: Links | None = None,
    mailboxes: Mailboxes | None = None,
    round_trips: RoundTrips | None = None,
    threshold: FailureThreshold | None = None,
    provisioning: timedelta = PROVISIONING,
    check_intervals: Intervals = MappingProxyType({}),
) -> list[AnyPhase]:
    """Return all phases."""
    return make_phases(
        Adapters(
            engine=engine,
            servers=servers or Unseen(),
            outside=Outside(verifier, links or MemoryLinks()),
            configurator=configurator,
            root_password=root_password,
            messages_a_day=messages_a_day,
            firewall=firewall,
            spools=spools or EmptySpools(),
            mailboxes=mailboxes or NoMailboxes(),
            round_trips=round_trips or MemoryMail(),
            certificates=certificates or memory_ports(),
            cloud_deadline=timedelta(minutes=30),
            provisioning=provisioning,
            drain=LONGEST,
            threshold=threshold or FailureThreshold(),
            check_intervals=check_intervals,
        )
    )
