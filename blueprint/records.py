"""The DNS records of a tenant: hosts, sending domains, and both sides of manual zones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from blueprint import naming
from blueprint.document import Domain, Host, HostName, PublicKeys, Record, RecordType
from blueprint.platform import Platform
from blueprint.tenant import Dns, DomainName

COMMENT_LIMIT = 100
MX_PRIORITY = 10
DMARC = "v=DMARC1"
MAILTO = "@+"
"""Characters of an address that a `mailto:` URI has as they are (RFC 6068)."""


def ownership_comment(installation: str, tenant: str, key: str) -> str:
    """Return the comment that identifies a record as ours; a long one ends in a hash of the whole.

    Adoption identifies records by it, so it is unique for each key.
    """
    comment = f"pm:{installation}:{tenant}:{key}"
    if len(comment) <= COMMENT_LIMIT:
        return comment
    hashed = hashlib.sha256(comment.encode()).hexdigest()[:12]
    return f"{comment[: COMMENT_LIMIT - 13]}~{hashed}"


def sender(egress_name: HostName) -> str:
    """Return the term of an SPF record that lets a host send."""
    return f"a:{egress_name}"


@dataclass(frozen=True)
class _Zone:
    """The zone of a group of records, and how it is written."""

    installation: str
    tenant: str
    zone: DomainName
    provider: Dns
    domain: DomainName | None = None

    def record(
        self,
        key: str,
        name: str,
        kind: RecordType,
        content: str | None = None,
        *,
        address: str | None = None,
        priority: int | None = None,
    ) -> Record:
        return Record(
            key=key,
            zone=self.zone,
            stack=self.tenant if self.provider is Dns.CLOUDFLARE else None,
            provider=self.provider,
            name=name,
            type=kind,
            content=content,
            address=address,
            priority=priority,
            comment=ownership_comment(self.installation, self.tenant, key),
            domain=self.domain,
        )


def host_records(tenant: str, host: Host, platform: Platform) -> Iterator[Record]:
    """Yield the records of one host: each address by its own name and by the egress name.

    A HELO name has an SPF record of its own: a bounce has no other sender (RFC 7208 section 2.3).
    Mail to its postmaster (RFC 5321 section 4.5.1) goes to the primary address.
    """
    zone = _Zone(platform.installation, tenant, host.zone, Dns.CLOUDFLARE)
    for address in host.addresses:
        own = address.name
        yield zone.record(f"{own}/A", address.helo, RecordType.A, address=own)
        yield zone.record(f"{own}/out", host.egress_name, RecordType.A, address=own)
        yield zone.record(f"{own}/SPF", address.helo, RecordType.TXT, "v=spf1 a -all")
        yield zone.record(
            f"{own}/MX", address.helo, RecordType.MX, host.primary.helo, priority=MX_PRIORITY
        )


def domain_records(
    tenant: str,
    domain: Domain,
    hosts: tuple[Host, ...],
    keys: PublicKeys | None,
    platform: Platform,
) -> Iterator[Record]:
    """Yield the records of one sending domain; for a manual one, some in the platform's zone."""
    name = domain.name
    zone = _Zone(platform.installation, tenant, domain.zone or name, domain.dns, name)
    # Sorted, so that records which a customer has set by hand stay valid if the file is reordered.
    senders = " ".join(sender(name) for name in sorted(host.egress_name for host in hosts))
    yield zone.record(f"{name}/MX", name, RecordType.MX, domain.mail_host, priority=MX_PRIORITY)
    yield zone.record(f"{name}/SPF", name, RecordType.TXT, f"v=spf1 {senders} ~all")
    policy = f"{DMARC}; p={domain.dmarc}"
    if platform.dmarc_reports is not None:
        policy += f"; rua=mailto:{quote(platform.dmarc_reports, safe=MAILTO)}"
    yield zone.record(f"{name}/DMARC", f"_dmarc.{name}", RecordType.TXT, policy)
    ours = _Zone(platform.installation, tenant, platform.zone, Dns.CLOUDFLARE, name)
    if platform.dmarc_reports is not None:
        authorised = f"{name}._report._dmarc.{platform.dmarc_reports.partition('@')[2]}"
        yield ours.record(f"{name}/reports", authorised, RecordType.TXT, DMARC)

    def target(own: str) -> str:
        return naming.manual_target(own, platform) if domain.dns is Dns.MANUAL else own

    managed = zone
    if domain.dns is Dns.MANUAL:
        managed = ours
        dkim_names = [f"{selector}._domainkey.{name}" for selector in naming.MANUAL_SELECTORS]
        for own in (domain.return_path, *dkim_names):
            key = f"{name}/CNAME/{own.removesuffix('.' + name)}"
            yield zone.record(key, own, RecordType.CNAME, target(own))
    return_path = target(domain.return_path)
    yield managed.record(
        f"{name}/b/MX", return_path, RecordType.MX, domain.mail_host, priority=MX_PRIORITY
    )
    yield managed.record(f"{name}/b/SPF", return_path, RecordType.TXT, f"v=spf1 {senders} -all")
    dkim = keys.dkim.get(name) if keys else None
    if dkim:
        selector = f"{dkim.selector}._domainkey.{name}"
        content = f"v=DKIM1; k=rsa; p={dkim.public_key}"
        key = f"{name}/DKIM/{dkim.selector}"
        yield managed.record(key, target(selector), RecordType.TXT, content)
