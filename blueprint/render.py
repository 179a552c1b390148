"""Renders a tenant's document into everything that must exist for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from blueprint import naming, records
from blueprint.catalogue import SIZES
from blueprint.cost import cost_of
from blueprint.digest import digest_of
from blueprint.document import (
    Blueprint,
    Domain,
    Firewall,
    Host,
    Mailbox,
    PublicKeys,
    Record,
    Sending,
)
from blueprint.mail_address import domain_of
from blueprint.mail_servers import receiving_host, with_mail_servers
from blueprint.platform import Platform
from blueprint.tenant import (
    Dns,
    DomainName,
    DomainSpec,
    HostSpec,
    MailboxServer,
    Quota,
    Tenant,
)

INBOUND = ("22/tcp", "25/tcp", "587/tcp")
"""What the playbooks open on a host (`firewall.nft.j2`)."""
PEOPLE = ("80/tcp", "443/tcp", "465/tcp", "993/tcp")
"""What they open besides on a host with Mailu: web pages, submission, mailboxes."""
OUTBOUND = ("25/tcp", "53/tcp", "53/udp", "80/tcp", "123/udp", "443/tcp")
"""Mail, names, packages."""
GB = 10**9
UNITS = {"MB": 10**6, "GB": GB}


def render(
    tenant: Tenant,
    *,
    platform: Platform,
    keys: PublicKeys | None,
    generation: int,
    incarnations: Mapping[str, int] | None = None,
    draining: Mapping[str, HostSpec] | None = None,
    draining_domains: Iterable[DomainSpec] = (),
) -> Blueprint:
    """Derive the blueprint of one generation.

    The tenant must have passed `blueprint.validation`. A host that does not name its mail server is
    taken for a new one. Without keys (an offline render) the DKIM records are left out.
    `incarnations` counts the replacements of each host from 1.
    `draining` are addresses that are kept until their host has sent all mail: each with its host,
    as it was when the document had it. `draining_domains` are domains of which hosts may have mail,
    likewise.
    """
    tenant = with_mail_servers(tenant, platform)
    name, spec = tenant.metadata.name, tenant.spec
    wanted = {domain.name for domain in spec.domains}
    former = [domain for domain in draining_domains if domain.name not in wanted]
    known = (*spec.domains, *former)
    hosts = _hosts(tenant, known, platform, incarnations or {}, draining or {})
    receiving = {domain_of(name) for box in spec.mailboxes for name in (box.address, *box.aliases)}
    receiving |= {domain.name for domain in spec.domains if domain.catch_all}
    domains = tuple(_domain(domain, hosts, keys, receiving, platform) for domain in spec.domains)
    leaving = tuple(
        _without_people(_domain(domain, hosts, keys, (), platform)) for domain in former
    )
    fields = {
        "tenant": name,
        "generation": generation,
        "spec": spec,
        "installation": platform.installation,
        "platform_zone": platform.zone,
        "keys": keys,
        "hosts": hosts,
        "domains": domains,
        "draining_domains": leaving,
        "records": _records(name, hosts, domains, leaving, keys, platform),
        "mailboxes": tuple(
            Mailbox(
                address=box.address,
                domain=domain_of(box.address),
                daily_cap=box.daily_cap,
                aliases=box.aliases,
                quota_bytes=bytes_of(box.quota),
                forward=box.forward.destinations if box.forward else (),
                keep=box.forward is None or box.forward.keep,
            )
            for box in spec.mailboxes
        ),
        "sending": Sending(**spec.sending.model_dump()),
        "cost": cost_of(tenant, platform),
    }
    draft = Blueprint.model_validate({**fields, "digest": ""})
    content = draft.model_dump(mode="json", by_alias=True, exclude={"digest"})
    return draft.model_copy(update={"digest": digest_of(content)})


def bytes_of(quota: Quota) -> int:
    """Return a quota in bytes."""
    return int(quota[:-2]) * UNITS[quota[-2:]]


def _hosts(
    tenant: Tenant,
    domains: Collection[DomainSpec],
    platform: Platform,
    incarnations: Mapping[str, int],
    draining: Mapping[str, HostSpec],
) -> tuple[Host, ...]:
    """Return the hosts of the document, and those of other addresses that drain."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for address in draining:
        names[naming.host_of(address)].append(address)
    wanted = {host.name: host for host in tenant.spec.hosts}
    retired = {host.name: host for host in draining.values() if host.name not in wanted}
    return tuple(
        _host(tenant, host, domains, platform, incarnations.get(host.name, 1), names[host.name])
        for host in (*wanted.values(), *retired.values())
    )


def _host(
    tenant: Tenant,
    host: HostSpec,
    domains: Collection[DomainSpec],
    platform: Platform,
    incarnation: int,
    draining: Collection[str],
) -> Host:
    size, name = SIZES[host.size], tenant.metadata.name
    base = naming.base_name(name, host, platform)
    return Host(
        name=host.name,
        stack=name,
        server_name=naming.server_name(platform.installation, name, host.name, incarnation),
        incarnation=incarnation,
        size=host.size,
        cpu=size.cpu,
        ram_mb=size.ram_mb,
        disk_gb=size.disk_gb,
        location=platform.locations.get(tenant.spec.region, ""),
        image=platform.image,
        firewall=_firewall(host, platform),
        zone=naming.zone_of(host, domains, platform),
        egress_name=naming.egress_name(base),
        mail=host.mail or MailboxServer.NONE,
        webmail=host.webmail,
        addresses=naming.addresses_of(
            name, host, platform, draining=draining, is_retired=host not in tenant.spec.hosts
        ),
    )


def _firewall(host: HostSpec, platform: Platform) -> Firewall:
    inbound = INBOUND + PEOPLE if host.mail is MailboxServer.MAILU else INBOUND
    return Firewall(profile=platform.firewall_profile, inbound=inbound, outbound=OUTBOUND)


def _domain(
    domain: DomainSpec,
    hosts: tuple[Host, ...],
    keys: PublicKeys | None,
    receiving: Collection[DomainName],
    platform: Platform,
) -> Domain:
    """Return a domain. Its mail goes to no host that is retired: that may be broken."""
    hosts = tuple(host for host in hosts if not host.is_retired) or hosts
    names = {host.name: host.primary.helo for host in hosts}
    key = keys.dkim.get(domain.name) if keys else None
    return Domain(
        name=domain.name,
        dns=domain.dns,
        zone=domain.zone,
        dmarc=domain.dmarc,
        return_path=naming.return_path(domain.name),
        mail_host=names[receiving_host(domain.name, names)],
        selector=key.selector if key else None,
        unsubscribe_host=naming.unsubscribe_host(domain.name) if platform.public_address else None,
        receives=domain.dns is Dns.CLOUDFLARE or domain.name in receiving,
        catch_all=domain.catch_all,
    )


def _without_people(domain: Domain) -> Domain:
    """Return a domain that gets nothing but what comes back to its return path."""
    return domain.model_copy(update={"receives": False, "catch_all": None})


def _records(
    name: str,
    hosts: tuple[Host, ...],
    domains: tuple[Domain, ...],
    leaving: tuple[Domain, ...],
    keys: PublicKeys | None,
    platform: Platform,
) -> tuple[Record, ...]:
    result = list(chain.from_iterable(records.host_records(name, host, platform) for host in hosts))
    for domain in domains:
        result += records.domain_records(name, domain, hosts, keys, platform)
    if any(domain.dns is Dns.MANUAL and domain.receives for domain in domains):
        result += records.shared_egress_records(name, hosts, platform)
    used = {record.name for record in result}  # what the document wants at a name comes first
    for domain in leaving:
        own = records.draining_domain_records(name, domain, hosts, keys, platform)
        result += [record for record in own if record.name not in used]
    return tuple(result)
