"""A `Verifier` for machines that reach no name server: a written record counts as present."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from controlplane.reconciler.ports import CloudState, Finding, Login
from controlplane.verification.faults import MISSING, UNCLEAR

SOURCE = "the emulated Cloudflare, the only source without a name server"


class RecordedVerifier:
    """Accepts what the stack has written; records that others set cannot be seen."""

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Compare the keys of the records with those in the stack."""
        bought = {a.name for host in state.hosts for a in host.addresses if a.ip}
        findings: list[Finding] = []
        for domain in blueprint.domains:
            subject = f"domain/{domain.name}"
            if domain.dns is Dns.MANUAL:
                remedy = "set the records that `penguin describe` shows"
                fault = MISSING(record="a record to set by hand", server=SOURCE, remedy=remedy)
                findings.append(Finding.of(subject, "dns.recursive", fault))
                continue
            expected = {
                record.key
                for record in blueprint.records
                if record.domain == domain.name
                and record.provider is Dns.CLOUDFLARE
                and (record.address is None or record.address in bought)
            }
            missing = sorted(expected - state.records.keys())
            if missing:
                fault = MISSING(record=", ".join(missing), server=SOURCE, remedy="apply again")
                findings.append(Finding.of(subject, "dns.authoritative", fault))
            else:
                findings.append(Finding(subject, "dns.authoritative", True, "all are recorded"))
        return findings

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
        """Report each address as not reachable."""
        del state, authority, logins, unchanged_for, public_names, settled_for
        fault = UNCLEAR(port="every port", reason="hosts cannot be reached from this machine")
        return [
            Finding.of(f"address/{address.name}", "smtp.banner", fault, checked=False)
            for host in blueprint.hosts
            for address in host.addresses
        ]
