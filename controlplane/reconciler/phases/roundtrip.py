"""Phase `roundtrip`: people's mail of each domain on a host with Mailu, tried in both directions.

It is tried through a mailbox of ours, so that no mail reaches or leaves one of people: at first,
after each change of the host, and daily. What fails is tried again with growing pauses, since each
try counts against what a mailbox may send in a day. It withdraws nothing from which bulk is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from blueprint.document import Domain, Host
from blueprint.naming import system_mailbox
from controlplane.conditions.failures import Failures, FailureThreshold
from controlplane.conditions.model import TENANT, Verdict, ask_of, bad, ok, unknown
from controlplane.hosts import round_trips as rows
from controlplane.hosts.identities import Noted
from controlplane.hosts.round_trips import RoundTrip
from controlplane.reconciler.findings import held, sentence
from controlplane.reconciler.mail_ports import OwnMailbox, RoundTrips
from controlplane.reconciler.peoples_stops import is_stopped
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Finding, Progress
from controlplane.reconciler.public_names import public_names
from controlplane.reconciler.purposes import CA, mailbox_token, people_dkim
from controlplane.reconciler.rest import ALWAYS, NEVER
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from controlplane.schedule.schemas import Pool
from kit.faults import Actor, Code

AGAIN = timedelta(days=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
"""Between tries that fail: fewer than thirty mails a day."""
AT_ONCE = 40
"""Domains that are tried in one pass."""
RETURNED = "Returned"
VERIFIED = "Verified"
"""Condition of phase `verification`; of the address from which people's mail leaves."""


@dataclass(frozen=True)
class Observed:
    """The last tries, by domain, and the time of this look."""

    rows: Mapping[str, RoundTrip]
    now: datetime


class Roundtrip(Phase[Observed]):
    """Tries mail of the domains whose turn it is."""

    row = Row(
        name="roundtrip",
        condition="MailReturned",
        about="on a host with Mailu a mail to the domain was read by IMAP, and one from it came "
        "back, with DKIM, SPF and DMARC right",
        subjects=frozenset({Kind.DOMAIN}),
        needs=("dns", "identity", "verification"),
        pool=Pool.HOSTS,
    )

    def __init__(self, round_trips: RoundTrips, threshold: FailureThreshold) -> None:
        """`threshold` is that of what was right before."""
        self._round_trips = round_trips
        self._threshold = threshold

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the read of the last tries."""
        return [rows.reading(tenant_id)]

    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Read what the last tries have shown; nothing of a tenant without Mailu."""
        if not any(host.has_mailu for host in snapshot.blueprint.hosts):
            return Observed({}, session.clock())
        found = await session.fetch(rows.reading(snapshot.tenant.id))
        return Observed(found, session.clock())

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return a verdict for each domain."""
        hosts = _hosts(snapshot)
        return {
            subject(Kind.DOMAIN, domain.name): self._verdict(domain, hosts, observed, snapshot)
            for domain in snapshot.blueprint.domains
        }

    def _verdict(
        self, domain: Domain, hosts: Mapping[str, Host], observed: Observed, snapshot: Snapshot
    ) -> Verdict:
        host, row = hosts.get(domain.name), observed.rows.get(domain.name)
        if host is None:
            return ok("NoMailu", "people do not log in on its host")
        if row is None or row.host != host.name:
            if is_stopped(domain.name, snapshot.stops):
                return unknown("MailStopped", "no mail is tried while all of it is stopped")
            return unknown("NotTried", "no mail was tried yet")
        verdict = _verdict_of(row)
        if not snapshot.conditions.is_true(subject(Kind.DOMAIN, domain.name), self.row.condition):
            return verdict
        failures = None
        if row.wrong_since is not None:
            failures = Failures(row.wrong, observed.now - row.wrong_since)
        return held(verdict, RETURNED, (), failures, self._threshold)

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Return the domains whose turn it is; and one step that forgets what is gone."""
        hosts = _hosts(snapshot)
        due = [name for name in hosts if _is_due(name, hosts[name], observed, snapshot)]
        steps = [Step(subject(Kind.DOMAIN, name), operation="try") for name in due[:AT_ONCE]]
        return [*steps, Step()] if observed.rows.keys() - hosts.keys() else steps

    def holds_until(self, observed: Observed, snapshot: Snapshot) -> datetime:
        """Return when the next try is due; a wrong one counts by its age."""
        del snapshot
        if any(row.wrong_since is not None for row in observed.rows.values()):
            return NEVER
        times = (row.at + _pause(row) for row in observed.rows.values())
        return min((at for at in times if at > observed.now), default=ALWAYS)

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Try mail of one domain, and keep what that has shown."""
        hosts, tenant_id = _hosts(snapshot), snapshot.tenant.id
        if step.subject == TENANT:
            async with session.begin() as connection:
                await rows.keep_only(connection, tenant_id, hosts)
            return
        name = step.subject.partition("/")[2]
        host = hosts[name]
        findings = await asyncio.to_thread(
            self._round_trips.attempt, _mailbox(name, host, snapshot), progress=progress
        )
        for finding in findings:
            if finding.code is not None and not finding.ok:
                progress(sentence(finding))
        is_right, noted = _outcome(findings)
        configured = snapshot.hosts[host.name].applied_digest
        row = RoundTrip(name, host.name, configured, session.clock(), is_right, noted)
        async with session.begin() as connection:
            before = await rows.find(connection, tenant_id, name)
            await rows.save(connection, tenant_id, _counted(row, before))


def _hosts(snapshot: Snapshot) -> dict[str, Host]:
    """Return the domains whose people's mail is in Mailu, with their hosts."""
    return {
        domain.name: host
        for domain in snapshot.blueprint.domains
        for host in snapshot.blueprint.hosts
        if domain.receives and domain.is_on(host) and host.has_mailu and not host.is_retired
    }


def _is_due(name: str, host: Host, observed: Observed, snapshot: Snapshot) -> bool:
    """Return whether mail of a domain is to be tried now, and can be."""
    known, row = snapshot.hosts.get(host.name), observed.rows.get(name)
    configured = known.applied_digest if known is not None else None
    has_token = snapshot.secrets.find(mailbox_token(name)) is not None
    leaves = snapshot.conditions.is_true(subject(Kind.ADDRESS, host.primary.name), VERIFIED)
    is_possible = leaves and has_token and configured is not None and host.name in _ips(snapshot)
    if not is_possible or is_stopped(name, snapshot.stops):
        return False
    if row is None or (row.host, row.configured) != (host.name, configured):
        return True
    return observed.now - row.at >= _pause(row)


def _ips(snapshot: Snapshot) -> dict[str, str]:
    """Return the primary IPs of the hosts that have one."""
    return {host.name: ip for host in snapshot.cloud.hosts if (ip := host.primary_ip) is not None}


def _pause(row: RoundTrip) -> timedelta:
    """Return how long after a try the next one is made."""
    if row.is_right:
        return AGAIN
    doubled = min(row.unsuccessful - 1, 10)  # by then it is the longest
    return min(FIRST_PAUSE * (1 << doubled), LONGEST_PAUSE)


def _mailbox(name: str, host: Host, snapshot: Snapshot) -> OwnMailbox:
    """Return our mailbox in a domain, and how it is reached."""
    shows_public_one = host.primary.helo in public_names(snapshot)
    return OwnMailbox(
        domain=name,
        address=system_mailbox(name),
        token=snapshot.secrets.open(mailbox_token(name)),
        ip=_ips(snapshot)[host.name],
        name=host.primary.helo,
        authority=None if shows_public_one else snapshot.secrets.public(CA)["certificate"],
        selector=snapshot.secrets.public(people_dkim(name))["selector"],
    )


def _outcome(findings: Sequence[Finding]) -> tuple[bool | None, Noted | None]:
    """Return whether a try was right, and what decides: what was wrong, not known, or a remark."""
    for outcome in (False, None, True):
        for finding in findings:
            if finding.ok is outcome and finding.code is not None:
                return outcome, _noted(finding, finding.code)
    return True, None


def _noted(finding: Finding, code: Code) -> Noted:
    acts, remedy = finding.acts or code.acts, finding.remedy
    return Noted(finding.subject, code.name, sentence(finding), True, acts, remedy)


def _counted(row: RoundTrip, before: RoundTrip | None) -> RoundTrip:
    """Return a row with the tries that were not right since one was, on the same host."""
    if row.is_right:
        return row
    earlier = before if before is not None and before.host == row.host else None
    wrong = 1 if row.is_right is False else 0
    return replace(
        row,
        unsuccessful=(earlier.unsuccessful if earlier else 0) + 1,
        wrong=(earlier.wrong if earlier else 0) + wrong,
        wrong_since=(earlier.wrong_since if earlier else None) or (row.at if wrong else None),
    )


def _verdict_of(row: RoundTrip) -> Verdict:
    said = row.noted.sentence if row.noted is not None else ""
    if row.is_right or row.noted is None:
        return ok(RETURNED, said)
    judge = bad if row.is_right is False else unknown
    ask = ask_of(Actor(row.noted.acts), row.noted.remedy)
    return judge(row.noted.reason, said, ask=ask)
