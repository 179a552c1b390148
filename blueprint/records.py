"""The DNS records of a tenant: hosts, sending domains, and both sides of manual zones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from blueprint import naming
from blueprint.client_services import services
from blueprint.document import Dkim, Domain, Host, HostName, PublicKeys, Record, RecordType, Rule
from blueprint.mail_address import domain_of
from blueprint.platform import Platform
from blueprint.tenant import Dns, DomainName

COMMENT_LIMIT = 100
MX_PRIORITY = 10
DMARC = "v=DMARC1"
SELECTORS = (*naming.MANUAL_SELECTORS, *naming.RESERVED_SELECTORS)
NO_KEY = "v=DKIM1; p="
"""Of a selector that signs nothing (RFC 6376 section 3.6.1)."""
NO_SENDER = "v=spf1 -all"
"""Of a name that no mail is sent from."""
MAILTO = "@+"
"""Characters of an address that a `mailto:` URI has as they are (RFC 6068)."""


def installation_mark(installation: str) -> str:
    """Return how the comments of all records of an installation begin."""
    return f"pm:{installation}:"


def tenant_mark(installation: str, tenant: str) -> str:
    """Return how the comments of all records of a tenant begin."""
    return f"{installation_mark(installation)}{tenant}:"


def ownership_comment(installation: str, tenant: str, key: str) -> str:
    """Return the comment that identifies a record as ours; a long one ends in a hash of the whole.

    Adoption identifies records by it, so it is unique for each key.
    """
    comment = f"{tenant_mark(installation, tenant)}{key}"
    if len(comment) <= COMMENT_LIMIT:
        return comment
    hashed = hashlib.sha256(comment.encode()).hexdigest()[:12]
    return f"{comment[: COMMENT_LIMIT - 13]}~{hashed}"


def sender(egress_name: HostName) -> str:
    """Return the term of an SPF record that lets a host send."""
    return f"a:{egress_name}"


def return_path_key(domain: DomainName) -> str:
    """Return the key of the record by which mail comes to a domain's return paths."""
    return f"{domain}/b/MX"


def return_paths(records: Iterable[Record], domains: Iterable[Domain]) -> list[str]:
    """Return the domains of return paths, and where the aliases of manual zones lead.

    A sender may return mail to the target of an alias (RFC 1123 section 5.2.2).
    """
    listed = list(domains)
    keys = {return_path_key(domain.name) for domain in listed}
    written = {str(record.name) for record in records if record.key in keys}
    return sorted(written.union(domain.return_path for domain in listed))


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
        rule: Rule = Rule.EXACT,
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
            rule=rule,
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


def shared_egress_records(
    tenant: str, hosts: Iterable[Host], platform: Platform
) -> Iterator[Record]:
    """Yield the A records of the name that SPF records of manual zones have for all hosts."""
    zone = _Zone(platform.installation, tenant, platform.zone, Dns.CLOUDFLARE)
    name = naming.shared_egress_name(tenant, platform)
    for host in hosts:
        for address in host.addresses:
            yield zone.record(f"{address.name}/all", name, RecordType.A, address=address.name)


def domain_records(
    tenant: str,
    domain: Domain,
    hosts: tuple[Host, ...],
    keys: PublicKeys | None,
    platform: Platform,
) -> Iterator[Record]:
    """Yield the records of one sending domain; for a manual one, some in the platform's zone."""
    name = domain.name
    zone, ours = _zones(tenant, domain, platform)
    people = _records_of(keys.people.get(name) if keys else None)
    public = _public_key(domain, keys) | people
    if domain.dns is Dns.MANUAL:
        yield from _set_by_owner(domain, zone, tenant, platform, signs_people=bool(people))
        public = dict.fromkeys(SELECTORS if public else naming.RESERVED_SELECTORS, NO_KEY) | public
        yield from _of_sent_mail(domain, zone, ours, hosts, public, platform)
        links = naming.manual_target(naming.unsubscribe_host(name), platform)
        yield ours.record(f"{name}/u/SPF", links, RecordType.TXT, NO_SENDER)
        if domain.receives:
            [host] = [host for host in hosts if host.primary.helo == domain.mail_host]
            exchange = naming.manual_exchange(name, platform)
            own = host.primary.name
            yield ours.record(f"{own}/{name}", exchange, RecordType.A, address=own)
    else:
        yield zone.record(f"{name}/MX", name, RecordType.MX, domain.mail_host, priority=MX_PRIORITY)
        yield zone.record(f"{name}/SPF", name, RecordType.TXT, _spf(hosts, "~all"))
        yield from _of_sent_mail(domain, zone, ours, hosts, public, platform)
        yield from _for_clients(domain, zone, hosts)
    yield from _reports(domain, ours, platform)


def draining_domain_records(
    tenant: str,
    domain: Domain,
    hosts: tuple[Host, ...],
    keys: PublicKeys | None,
    platform: Platform,
) -> Iterator[Record]:
    """Yield what mail needs that was handed over before its From domain was given up.

    Receivers look up its key, its policy, and SPF of its return path, to which bounces come.
    Its links are followed. Nothing of people's mail: its owner may have that elsewhere by now.
    """
    zone, ours = _zones(tenant, domain, platform)
    public = _public_key(domain, keys)
    yield from _of_sent_mail(domain, zone, ours, hosts, public, platform)
    yield from _reports(domain, ours, platform)


def _of_sent_mail(
    domain: Domain,
    zone: _Zone,
    ours: _Zone,
    hosts: tuple[Host, ...],
    keys: dict[str, str],
    platform: Platform,
) -> Iterator[Record]:
    """Yield what receivers look up of mail; the records of a manual domain's owner lead to ours."""
    if domain.dns is Dns.MANUAL:
        at = partial(naming.manual_target, platform=platform)
        yield from _sending(domain, ours, hosts, keys, at)
        yield from _links(domain, ours, platform, at)
    else:
        yield _policy(domain, zone, platform)
        yield from _sending(domain, zone, hosts, keys, lambda own: own)
        yield from _links(domain, zone, platform, lambda own: own)


def _zones(tenant: str, domain: Domain, platform: Platform) -> tuple[_Zone, _Zone]:
    """Return the zone of a domain, and the platform's for its sake."""
    name, installation = domain.name, platform.installation
    return (
        _Zone(installation, tenant, domain.zone or name, domain.dns, name),
        _Zone(installation, tenant, platform.zone, Dns.CLOUDFLARE, name),
    )


def _public_key(domain: Domain, keys: PublicKeys | None) -> dict[str, str]:
    """Return the record of a domain's key for bulk mail by its selector, if there is a key."""
    return _records_of(keys.dkim.get(domain.name) if keys else None)


def _records_of(key: Dkim | None) -> dict[str, str]:
    return {key.selector: f"v=DKIM1; k=rsa; p={key.public_key}"} if key else {}


def _policy(domain: Domain, zone: _Zone, platform: Platform, rule: Rule = Rule.EXACT) -> Record:
    name = domain.name
    policy = _dmarc(domain, platform)
    return zone.record(f"{name}/DMARC", f"_dmarc.{name}", RecordType.TXT, policy, rule=rule)


def _reports(domain: Domain, ours: _Zone, platform: Platform) -> Iterator[Record]:
    """Yield what lets DMARC reports of a domain come to the platform's address (RFC 7489, 7.1)."""
    if platform.dmarc_reports is not None:
        authorised = f"{domain.name}._report._dmarc.{domain_of(platform.dmarc_reports)}"
        yield ours.record(f"{domain.name}/reports", authorised, RecordType.TXT, DMARC)


def _sending(
    domain: Domain,
    zone: _Zone,
    hosts: tuple[Host, ...],
    keys: Mapping[str, str],
    at: Callable[[HostName], HostName],
) -> Iterator[Record]:
    """Yield what a domain needs for its bulk mail; `keys` are records by selector.

    `at` returns where the record of a name is written.
    """
    name, path = domain.name, at(domain.return_path)
    key, exchange = return_path_key(name), domain.mail_host
    yield zone.record(key, path, RecordType.MX, exchange, priority=MX_PRIORITY)
    yield zone.record(f"{name}/b/SPF", path, RecordType.TXT, _spf(hosts, "-all"))
    for selector, content in keys.items():
        signed = at(f"{selector}._domainkey.{name}")
        yield zone.record(f"{name}/DKIM/{selector}", signed, RecordType.TXT, content)


def _for_clients(domain: Domain, zone: _Zone, hosts: tuple[Host, ...]) -> Iterator[Record]:
    """Yield by what mail clients find the mailboxes of a domain, where people log in to them.

    No mail waits for it. A manual zone has none: its owner sets records once, and only what mail
    needs.
    """
    if any(host.has_mailu and domain.is_on(host) for host in hosts):
        for service in services(domain.mail_host):
            key, name = f"{domain.name}/{service.label}", f"{service.label}.{domain.name}"
            yield zone.record(key, name, RecordType.SRV, service.content, rule=Rule.OPTIONAL)


def _links(
    domain: Domain, zone: _Zone, platform: Platform, at: Callable[[HostName], HostName]
) -> Iterator[Record]:
    """Yield the address of the links in a domain's mail; `at` as in `_sending`.

    No alias: the name in the platform's zone has another record.
    """
    if domain.unsubscribe_host is not None:
        yield zone.record(
            f"{domain.name}/u/A",
            at(domain.unsubscribe_host),
            RecordType.A,
            platform.public_address,
            rule=Rule.OPTIONAL,
        )


def _set_by_owner(
    domain: Domain, zone: _Zone, tenant: str, platform: Platform, *, signs_people: bool
) -> Iterator[Record]:
    """Yield what the owner of a manual zone sets, once: every name that we will need.

    Nothing of it replaces a record by which his other mail is sent or comes in.
    """
    name = domain.name

    def alias(own: str, rule: Rule) -> Record:
        target = naming.manual_target(f"{own}.{name}", platform)
        key, kind = f"{name}/CNAME/{own}", RecordType.CNAME
        return zone.record(key, f"{own}.{name}", kind, target, rule=rule)

    yield alias(naming.RETURN_PATH_LABEL, Rule.EXACT)
    for selector in naming.MANUAL_SELECTORS:
        yield alias(f"{selector}._domainkey", Rule.EXACT)
    yield _policy(domain, zone, platform, Rule.ANY)
    if domain.receives:
        exchange = naming.manual_exchange(name, platform)
        yield zone.record(f"{name}/MX", name, RecordType.MX, exchange, priority=MX_PRIORITY)
        spf = f"v=spf1 {sender(naming.shared_egress_name(tenant, platform))} ~all"
        yield zone.record(f"{name}/SPF", name, RecordType.TXT, spf, rule=Rule.MERGED)
    for selector in naming.RESERVED_SELECTORS:
        yield alias(f"{selector}._domainkey", Rule.EXACT if signs_people else Rule.RESERVED)
    is_used = domain.unsubscribe_host is not None
    yield alias(naming.UNSUBSCRIBE_LABEL, Rule.OPTIONAL if is_used else Rule.RESERVED)


def _spf(hosts: Iterable[Host], otherwise: str) -> str:
    """Return the SPF record of all hosts, sorted: the order of the document has no effect."""
    terms = sorted(sender(host.egress_name) for host in hosts)
    return " ".join(["v=spf1", *terms, otherwise])


def _dmarc(domain: Domain, platform: Platform) -> str:
    policy = f"{DMARC}; p={domain.dmarc}"
    if platform.dmarc_reports is None:
        return policy
    return f"{policy}; rua=mailto:{quote(platform.dmarc_reports, safe=MAILTO)}"
