"""A `Verifier` for machines that reach no name server: a record is there when it was written."""

from __future__ import annotations

from collections.abc import Sequence

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from controlplane.reconciler.ports import CloudState, Finding
from controlplane.verification.faults import MISSING, UNCLEAR

HERE = "the emulated Cloudflare, which is all that can be queried here"


class RecordedVerifier:
    """Accepts what the stack has written; records that others set cannot be seen."""

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Compare the keys of the records with those that the stack holds."""
        given = {a.name for host in state.hosts for a in host.addresses if a.ip}
        found: list[Finding] = []
        for domain in blueprint.domains:
            subject = f"domain/{domain.name}"
            if domain.dns is Dns.MANUAL:
                remedy = "set the records that `penguin describe` shows"
                fault = MISSING(record="a record to set by hand", server=HERE, remedy=remedy)
                found.append(Finding.of(subject, "dns.recursive", fault))
                continue
            wanted = {
                record.key
                for record in blueprint.records
                if record.domain == domain.name
                and record.provider is Dns.CLOUDFLARE
                and (record.address is None or record.address in given)
            }
            missing = sorted(wanted - state.records.keys())
            if missing:
                fault = MISSING(record=", ".join(missing), server=HERE, remedy="apply again")
                found.append(Finding.of(subject, "dns.authoritative", fault))
            else:
                found.append(Finding(subject, "dns.authoritative", True, "all are recorded"))
        return found

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, *, authority: str
    ) -> Sequence[Finding]:
        """Report each address as not reachable."""
        del state, authority
        fault = UNCLEAR(port="every port", reason="hosts cannot be reached from here")
        return [
            Finding.of(f"address/{address.name}", "smtp.banner", fault, checked=False)
            for host in blueprint.hosts
            for address in host.addresses
        ]
