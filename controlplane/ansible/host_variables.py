"""The variables of the playbooks for one host: its blueprint and its observed addresses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Any

from blueprint import records
from blueprint.document import Blueprint
from blueprint.document import Host as BlueprintHost
from blueprint.mail_address import unicode_domain
from controlplane.reconciler.ports import (
    HostSecrets,
    MailServer,
    ObservedAddress,
    ObservedHost,
    SubmissionUser,
)
from sender.tokens import RETURN_PATH_FORM

NO_MAILBOXES: dict[str, Any] = {"mailboxes": [], "aliases": [], "catch_alls": []}
"""Of a host with Mailu, which has them by its API."""


def host_variables(
    blueprint: Blueprint,
    observed: ObservedHost,
    users: Collection[SubmissionUser],
    *,
    mailu: MailServer | None = None,
    discards: int | None = None,
) -> dict[str, Any]:
    """The variable `host` of the playbooks (shape: playbooks/README.md); no secret in it.

    It has what roles read and nothing else, since each difference configures the host again.
    `mailu` is None for a host without Mailu, `discards` but for one that loses it.
    Addresses that do not exist yet are omitted, so that they do not block the others. Names are the
    planned ones, for which there are certificates: an interrupted run leaves none in the state.
    Raises ValueError when the host or its primary address is unknown.
    """
    planned = _planned(blueprint, observed)
    names = {address.name: address.helo for address in planned.addresses}
    existing = [
        replace(address, helo=names.get(address.name, address.helo))
        for address in observed.addresses
        if address.ip is not None
    ]
    primary = _primary(planned, existing, observed)
    bulk = {address.name for address in planned.addresses if address.sends_bulk}
    inbound = _inbound(blueprint, planned) | ({} if mailu is None else NO_MAILBOXES)
    egress = [address for address in existing if address.name in bulk]
    return {
        "retired": planned.is_retired,
        "ram_mb": planned.ram_mb,
        "disk_gb": planned.disk_gb,
        "docker": mailu is not None,  # nothing else runs in containers
        "mailu": None if mailu is None else asdict(mailu),
        "discards": discards,
        "return_path": RETURN_PATH_FORM,
        "root_keys": [_root_key(blueprint)],
        "primary": _address(primary),
        "addresses": [_address(address) for address in existing],
        "instances": [
            _instance(address, users, inbound if address is primary else None) for address in egress
        ],
        "inbound": inbound,
    }


def secret_variables(secrets: HostSecrets) -> dict[str, Any]:
    """The variables of the secrets file."""
    server = secrets.mail_server
    return {
        **({} if server is None else {"secret_mailu": asdict(server)}),
        "secret_users": [
            {"username": username, "password_hash": password_hash}
            for username, password_hash in secrets.password_hashes.items()
        ],
        "secret_certificates": _certificates(secrets.tls_certificates),
        "secret_public_certificates": _certificates(secrets.public_certificates),
    }


def _certificates(certificates: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    return {
        helo: {"certificate": certificate, "private_key": private_key}
        for helo, (certificate, private_key) in certificates.items()
    }


def _planned(blueprint: Blueprint, observed: ObservedHost) -> BlueprintHost:
    for host in blueprint.hosts:
        if host.name == observed.name:
            return host
    raise ValueError(f"the blueprint of {blueprint.tenant} has no host {observed.name}")


def _primary(
    planned: BlueprintHost, existing: list[ObservedAddress], observed: ObservedHost
) -> ObservedAddress:
    for address in existing:
        if address.name == planned.primary.name:
            return address
    raise ValueError(f"the primary address of {observed.name} is not assigned yet")


def _root_key(blueprint: Blueprint) -> str:
    if blueprint.keys is None:
        raise ValueError(f"the blueprint of {blueprint.tenant} was rendered without keys")
    return blueprint.keys.ssh.strip()


def _inbound(blueprint: Blueprint, planned: BlueprintHost) -> dict[str, Any]:
    """Domains whose mail this host accepts, and the host's own names (RFC 5321, 4.5.1)."""
    domains = [domain for domain in blueprint.domains if domain.is_on(planned)]
    draining = [domain for domain in blueprint.draining_domains if domain.is_on(planned)]
    own = {domain.name for domain in domains}
    names = {
        "domains": sorted(domain.name for domain in domains if domain.receives),
        "return_paths": records.return_paths(blueprint.records, [*domains, *draining]),
        "names": sorted({address.helo for address in planned.addresses} - own),
    }
    unicode = {name: unicode_domain(name) for listed in names.values() for name in listed}
    return {
        **names,
        "unicode": {name: other for name, other in unicode.items() if other != name},
        "mailboxes": sorted(box.address for box in blueprint.mailboxes if box.domain in own),
        "aliases": [
            {"address": alias, "mailbox": box.address}
            for box in sorted(blueprint.mailboxes, key=lambda box: box.address)
            if box.domain in own
            for alias in sorted(box.aliases)
        ],
        "catch_alls": [
            {"domain": domain.name, "mailbox": domain.catch_all}
            for domain in sorted(domains, key=lambda domain: domain.name)
            if domain.catch_all is not None
        ],
    }


def _instance(
    address: ObservedAddress,
    users: Collection[SubmissionUser],
    inbound: dict[str, Any] | None,
) -> dict[str, Any]:
    """One egress instance; `inbound` where port 25 of the same address is the inbound instance."""
    name = f"postfix-egress-{address.name}"
    return {
        "name": name,
        "unit": _unit(name),
        "address": address.name,
        "ip": address.ip,
        "helo": address.helo,
        "users": [
            {"username": user.username, "senders": list(user.senders)}
            for user in users
            if user.address == address.name
        ],
        "local_domains": (
            inbound["domains"] + inbound["return_paths"] + inbound["names"] if inbound else []
        ),
    }


def _unit(instance: str) -> str:
    """Return Debian's unit of a Postfix instance: the rest of its name, with hyphens escaped."""
    escaped = instance.removeprefix("postfix-").replace("-", r"\x2d")
    return f"postfix@{escaped}.service"


def _address(address: ObservedAddress) -> dict[str, Any]:
    return {"name": address.name, "ip": address.ip, "helo": address.helo}
