"""A `Verifier` for machines without a way to the name servers: believes what the provider took."""

from __future__ import annotations

from collections.abc import Sequence

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from controlplane.reconciler.ports import CloudState, Finding


class RecordedVerifier:
    """Holds for right what the DNS provider has recorded; what others must set is not seen."""

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Compare the keys of the records with those that the stack holds."""
        given = {a.name for host in state.hosts for a in host.addresses if a.ip}
        found: list[Finding] = []
        for domain in blueprint.domains:
            subject = f"domain/{domain.name}"
            if domain.dns is Dns.MANUAL:
                found.append(
                    Finding(
                        subject, "dns.recursive", False, "cannot be looked up from here",
                        "dns.not_seen", "set the records that `penguin describe` shows",
                    )
                )  # fmt: skip
                continue
            wanted = {
                record.key
                for record in blueprint.records
                if record.domain == domain.name
                and record.provider is Dns.CLOUDFLARE
                and (record.address is None or record.address in given)
            }
            missing = sorted(wanted - state.records.keys())
            message = f"not recorded: {', '.join(missing)}" if missing else "all are recorded"
            code = "dns.missing" if missing else "dns.recorded"
            found.append(
                Finding(subject, "dns.authoritative", not missing, message, code, "apply again")
            )
        return found

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, *, authority: str
    ) -> Sequence[Finding]:
        """Say of each address that it could not be looked at."""
        del state, authority
        return [
            Finding(
                f"address/{address.name}", "smtp.banner", None,
                "hosts cannot be reached from here", "smtp.not_seen",
            )
            for host in blueprint.hosts
            for address in host.addresses
        ]  # fmt: skip
