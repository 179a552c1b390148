"""Phases `dns` and `verification`: what the Internet sees becomes conditions."""

from __future__ import annotations

from collections.abc import Sequence

from blueprint.tenant import Dns as Provider
from controlplane.conditions.model import (
    TENANT,
    Type,
    Verdict,
    aggregate,
    bad,
    ok,
    unknown,
)
from controlplane.reconciler.cloud import forget_configuration
from controlplane.reconciler.context import Context
from controlplane.reconciler.keys import CA
from controlplane.reconciler.ports import Finding


class Dns:
    """Every record at the authoritative and at a recursive server, and FCrDNS."""

    name = "dns"

    async def run(self, context: Context) -> None:
        """Look, and say of each host, address and domain whether its names are right."""
        findings = await context.ports.verifier.verify_dns(context.blueprint, context.state)
        subjects = [s for s in context.subjects if s != TENANT]
        parts = [(s, verdict_of(s, findings, context, "DnsVerified")) for s in subjects]
        _record(context, Type.DNS, parts, "DnsVerified")


class Verification:
    """Banner and TLS of each submission port, and a relay attempt that must be refused."""

    name = "verification"

    async def run(self, context: Context) -> None:
        """Look; a host that was well before and is not now gets configured again."""
        findings = await context.ports.verifier.verify_hosts(
            context.blueprint, context.state, authority=context.secrets.public(CA)["certificate"]
        )
        wrong = {finding.subject for finding in findings if finding.ok is False}
        addresses: list[tuple[str, Verdict]] = []
        hosts: list[tuple[str, Verdict]] = []
        for host in context.blueprint.hosts:
            subjects = [f"address/{address.name}" for address in host.addresses]
            own = [(s, verdict_of(s, findings, context, "Verified")) for s in subjects]
            addresses += own
            hosts.append((f"host/{host.name}", aggregate(own, "Verified")))
            if any(s in wrong and context.conditions.is_true(s, Type.VERIFIED) for s in subjects):
                await forget_configuration(context, host.name)
        _record(context, Type.VERIFIED, [*addresses, *hosts], "Verified")


def verdict_of(subject: str, findings: Sequence[Finding], context: Context, reason: str) -> Verdict:
    """Add up what was found of one subject: anything wrong decides, then anything unseen."""
    if missing := _not_given_yet(subject, context):
        return missing
    own = [finding for finding in findings if finding.subject == subject]
    waits = subject in _manual(context)
    for finding in own:
        if finding.ok is False:
            return bad(camel(str(finding.code)), _sentence(finding), waits=waits)
    for finding in own:
        if finding.ok is None:
            return unknown(camel(str(finding.code)), _sentence(finding))
    return ok(reason)


def camel(code: str) -> str:
    """Turn a code into a reason: `dns.missing` is `DnsMissing`."""
    return "".join(part.capitalize() for part in code.replace(".", "_").split("_"))


def _sentence(finding: Finding) -> str:
    return f"{finding.message}; {finding.remedy}" if finding.remedy else finding.message


def _manual(context: Context) -> set[str]:
    return {
        f"domain/{domain.name}"
        for domain in context.blueprint.domains
        if domain.dns is Provider.MANUAL
    }


def _not_given_yet(subject: str, context: Context) -> Verdict | None:
    """Return the verdict of an address without a number: nothing can be right of it."""
    kind, _, name = subject.partition("/")
    if kind != "address" or context.conditions.is_true(subject, Type.INFRASTRUCTURE):
        return None
    primary = {host.primary.name for host in context.blueprint.hosts}
    return bad("WaitingForProvider", "the address has no number yet", waits=name not in primary)


def _record(context: Context, type_: Type, parts: list[tuple[str, Verdict]], reason: str) -> None:
    for subject, verdict in parts:
        context.conditions.set(subject, type_, verdict)
    # A domain in a manual zone waits for its owner; a tenant with no other waits with it.
    domains = [part for part in parts if part[0].startswith("domain/")]
    others = [part for part in parts if not part[0].startswith("domain/")]
    whole = aggregate(others, reason)
    if domains and whole.status == "True":
        whole = aggregate(domains, reason)
    context.conditions.set(TENANT, type_, whole)
    if any(verdict.status != "True" for _, verdict in parts):
        context.look_again()
