"""Aggregates findings of a verifier to a verdict; what was True stays so in passing trouble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controlplane.conditions import failures
from controlplane.conditions.failures import Failures, FailureThreshold
from controlplane.conditions.model import Ask, Status, Verdict, ask_of, bad, ok, unknown
from controlplane.reconciler.ports import Finding
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.table import Row
from kit.faults import Actor


@dataclass(frozen=True)
class Looked:
    """The findings of one look, and the consecutive failures of subjects that are True."""

    findings: Sequence[Finding]
    failures: Mapping[str, Failures]

    def of(self, subject: str) -> list[Finding]:
        """Return the findings of one subject."""
        return [finding for finding in self.findings if finding.subject == subject]


async def look(
    findings: Sequence[Finding], row: Row, snapshot: Snapshot, session: Session
) -> Looked:
    """Record a look: which of the subjects that are True were wrong in it, or not answered."""
    trusted = {
        finding.subject
        for finding in findings
        if snapshot.conditions.is_true(finding.subject, row.condition)
    }
    wrong = {f.subject for f in findings if f.ok is False and f.subject in trusted}
    unanswered = {f.subject for f in findings if f.ok is None and f.subject in trusted}
    counted = await session.fetch(failures.counted_types(snapshot.tenant.id))
    if not wrong and not unanswered and row.condition not in counted:
        return Looked(findings, {})
    async with session.begin() as connection:
        recorded = await failures.record(
            connection,
            snapshot.tenant.id,
            row.condition,
            wrong=sorted(wrong),
            unanswered=sorted(unanswered - wrong),
        )
    return Looked(findings, recorded)


def verdict_of(own: Iterable[Finding], reason: str, *, waits: bool = False) -> Verdict:
    """Aggregate findings of one subject: the first wrong one decides, then the first unknown.

    Where all are right, the message has their remarks; one may name who has to act all the same.
    """
    findings = list(own)
    for finding in findings:
        if finding.ok is False:
            return bad(_reason(finding), sentence(finding), waits=waits, ask=_ask(finding))
    for finding in findings:
        if finding.ok is None:
            return unknown(_reason(finding), sentence(finding), ask=_ask(finding))
    remarks = dict.fromkeys(sentence(finding) for finding in findings if finding.code is not None)
    asking = next((finding for finding in findings if finding.asks), None)
    return ok(reason, ". ".join(remarks), ask=_ask(asking) if asking else None)


def held(
    verdict: Verdict,
    reason: str,
    findings: Sequence[Finding],
    failed: Failures | None,
    threshold: FailureThreshold,
) -> Verdict:
    """Return the verdict on a subject whose condition is True so far.

    Nothing unanswered changes it. A wrong answer does when it persists, and at once where our key
    or host is gone.
    """
    if verdict.status is Status.TRUE:
        return verdict
    if verdict.status is Status.UNKNOWN:
        return ok(reason, f"not confirmed by the last look: {verdict.message}")
    if failed is None or threshold.is_reached(failed) or any(finding.gone for finding in findings):
        return verdict
    minutes = int(failed.age.total_seconds() // 60)
    limit = f"after {threshold.looks} in {threshold.period.total_seconds() / 60:g} min"
    looks = f"{failed.looks} wrong looks in {minutes} min, taken for wrong {limit}"
    return ok(reason, f"{looks}: {verdict.message}")


def _reason(finding: Finding) -> str:
    return finding.code.reason if finding.code else "NotSeen"


def _ask(finding: Finding) -> Ask | None:
    acts = finding.acts or (finding.code.acts if finding.code else Actor.NOBODY)
    return ask_of(acts, finding.remedy)


def sentence(finding: Finding) -> str:
    """Return what was found, and the remedy."""
    return f"{finding.message}; {finding.remedy}" if finding.remedy else finding.message
