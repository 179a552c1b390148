"""Judges what a mail that came back shows of its way."""

from __future__ import annotations

import re

from controlplane.reconciler.mail_ports import OwnMailbox
from controlplane.reconciler.ports import Finding
from controlplane.verification.roundtrip import faults
from controlplane.verification.roundtrip.returned import Result, Returned

CHECK = "mail.out"
METHODS = ("dkim", "spf", "dmarc")
NO_SUCH_ADDRESS = re.compile(r"5\.1\.\d+")
"""Enhanced status codes of addresses that a server does not have (RFC 3463)."""


def judged(mailbox: OwnMailbox, mx: str, recipient: str, back: Returned, subject: str) -> Finding:
    """Return the finding about mail that people send.

    What the echo MX does not report is a remark: it shows that mail leaves and arrives.
    """
    if not back.results:
        return _without_results(mailbox, mx, recipient, back, subject)
    unreported: list[str] = []
    for method in METHODS:
        own = [result for result in back.results if result.method == method]
        if not own:
            unreported.append(method)
        elif not any(_passes(result, mailbox) for result in own):
            fault = faults.NOT_AUTHENTICATED(
                mx=mx,
                domain=mailbox.domain,
                actual=", ".join(result.text for result in own),
                expected=_expected(method, mailbox),
                selector=mailbox.selector,
            )
            return Finding.of(subject, CHECK, fault)
    if unreported:
        reason = f"it reports no {', no '.join(unreported)}"
        return _remark(mailbox, mx, reason, subject)
    text = f"mail of {mailbox.domain} leaves with {', '.join(map('{}=pass'.format, METHODS))}"
    return Finding(subject, CHECK, True, f"{text}, key {mailbox.selector}, and comes back")


def _without_results(
    mailbox: OwnMailbox, mx: str, recipient: str, back: Returned, subject: str
) -> Finding:
    """Return the finding where the echo MX has written nothing on the mail."""
    if back.reporter != mailbox.name:  # it was taken, and came back from there
        return _remark(mailbox, mx, "what it returns has no results", subject)
    reason = back.diagnostic or back.status or "no reason was given"
    if NO_SUCH_ADDRESS.fullmatch(back.status):
        return _remark(mailbox, mx, reason, subject)
    fault = faults.REJECTED(address=mailbox.address, recipient=recipient, reason=reason)
    return Finding.of(subject, CHECK, fault)


def _remark(mailbox: OwnMailbox, mx: str, reason: str, subject: str) -> Finding:
    fault = faults.UNREPORTED(domain=mailbox.domain, mx=mx, reason=reason)
    return Finding.remark(subject, CHECK, fault)


def _passes(result: Result, mailbox: OwnMailbox) -> bool:
    """Return whether a result is the right one; a signature of another key is none of ours."""
    if result.value != "pass":
        return False
    signer = result.properties.get("header.d"), result.properties.get("header.s")
    return result.method != "dkim" or signer == (mailbox.domain, mailbox.selector)


def _expected(method: str, mailbox: OwnMailbox) -> str:
    signer = f" header.d={mailbox.domain} header.s={mailbox.selector}" if method == "dkim" else ""
    return f"{method}=pass{signer}"
