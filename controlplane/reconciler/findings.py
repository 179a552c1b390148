"""Aggregates findings of a verifier to a verdict."""

from __future__ import annotations

from collections.abc import Iterable

from controlplane.conditions.model import Verdict, bad, ok, unknown
from controlplane.reconciler.ports import Finding


def verdict_of(own: Iterable[Finding], reason: str, *, waits: bool = False) -> Verdict:
    """Aggregate findings of one subject: the first wrong one decides, then the first unknown.

    Where all are right, the message has their remarks.
    """
    findings = list(own)
    for finding in findings:
        if finding.ok is False:
            return bad(_reason(finding), _sentence(finding), waits=waits)
    for finding in findings:
        if finding.ok is None:
            return unknown(_reason(finding), _sentence(finding))
    remarks = dict.fromkeys(_sentence(finding) for finding in findings if finding.code is not None)
    return ok(reason, ". ".join(remarks))


def _reason(finding: Finding) -> str:
    return finding.code.reason if finding.code else "NotSeen"


def _sentence(finding: Finding) -> str:
    return f"{finding.message}; {finding.remedy}" if finding.remedy else finding.message
