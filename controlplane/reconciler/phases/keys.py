"""Phase `keys`: creates every secret of a tenant once, and seals it before it is used."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from secrets import token_hex
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from blueprint.document import Address, Dkim, Domain, Host, PublicKeys
from blueprint.naming import MANUAL_SELECTORS, RESERVED_SELECTORS
from blueprint.tenant import Dns, DomainSpec
from controlplane.authority.certificates import (
    Issued,
    create_ca,
    issue,
    needs_renewal,
    renewal_at,
)
from controlplane.authority.credentials import create_credential
from controlplane.conditions.model import TENANT, bad, ok
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.purposes import (
    CA,
    SSH,
    certificate,
    dkim,
    mailu_secret_key,
    mailu_token,
    people_dkim,
    submission,
    submission_hash,
)
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.secrets import SecretStore
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row
from controlplane.tenants import repository

DKIM_BITS = 2048
TOKEN_BYTES, KEY_BYTES = 32, 8
"""Of the token of Mailu's API, and of the key by which it signs sessions, which has 16 characters
when they are written in hexadecimal digits."""

NewSecrets = dict[str, tuple[str, Mapping[str, Any]]]
"""Purpose to secret and its public part."""


@dataclass(frozen=True)
class Missing:
    """A secret to create, and the value it is for."""

    purpose: str
    source: DomainSpec | Address | Domain | Host | None
    renewal: bool = False
    """Whether it replaces a certificate that expires soon."""


@dataclass(frozen=True)
class SecretsRequest:
    """Secrets to create for a tenant, and its existing ones."""

    tenant: str
    missing: Sequence[Missing]
    existing: SecretStore
    now: datetime


def make_secrets(request: SecretsRequest) -> NewSecrets:
    """Create secrets; takes about a tenth of a second for each RSA key."""
    created: NewSecrets = {}
    for secret in request.missing:
        if secret.purpose == SSH:
            created[secret.purpose] = _ssh_key(request.tenant)
        elif secret.purpose == CA:
            root = create_ca(request.tenant, now=request.now)
            created[secret.purpose] = (root.private_key, {"certificate": root.certificate})
        elif isinstance(secret.source, DomainSpec):
            created[secret.purpose] = _dkim_key(_selector(secret.source, request.now))
        elif isinstance(secret.source, Domain):
            created[secret.purpose] = _dkim_key(RESERVED_SELECTORS[0])
        elif isinstance(secret.source, Host):
            is_token = secret.purpose == mailu_token(secret.source.name)
            created[secret.purpose] = (token_hex(TOKEN_BYTES if is_token else KEY_BYTES), {})
        elif isinstance(secret.source, Address) and secret.purpose == submission(
            secret.source.name
        ):
            created.update(_credential(secret.source, request.tenant))
        elif isinstance(secret.source, Address):
            leaf = issue(_authority(created, request.existing), secret.source.helo, now=request.now)
            created[secret.purpose] = (leaf.private_key, {"certificate": leaf.certificate})
    return created


class Keys(Phase[Sequence[Missing]]):
    """Creates missing secrets, and renews certificates in time."""

    row = Row(
        name="keys",
        condition="KeysReady",
        about="all keys, certificates and credentials of the tenant exist and are sealed",
        subjects=frozenset({Kind.TENANT}),
    )

    def __init__(self, make: Callable[[SecretsRequest], NewSecrets] = make_secrets) -> None:
        self._make = make

    async def observe(self, snapshot: Snapshot, session: Session) -> Sequence[Missing]:
        """Return missing secrets, and certificates that expire soon."""
        return _missing(snapshot, session.clock())

    def verdicts(self, observed: Sequence[Missing], snapshot: Snapshot) -> Verdicts:
        """Return whether all exist."""
        if observed:
            names = ", ".join(secret.purpose for secret in observed)
            return {TENANT: bad("KeysMissing", f"not created yet: {names}")}
        if _public(snapshot) != snapshot.tenant.public_keys:
            return {TENANT: bad("KeysUnpublished", "the public keys are not stored yet")}
        return {TENANT: ok("KeysMade")}

    def steps(self, observed: Sequence[Missing], snapshot: Snapshot) -> Sequence[Step]:
        """Return one step for all, even if only the list of domains has changed."""
        if observed:
            return [Step(operation="make", maintenance=all(secret.renewal for secret in observed))]
        if _public(snapshot) != snapshot.tenant.public_keys:
            return [Step()]
        return []

    def holds_until(self, observed: Sequence[Missing], snapshot: Snapshot) -> datetime:
        """Return when the first certificate of an address is to be renewed."""
        del observed
        leaves = (
            snapshot.secrets.find(certificate(address.helo))
            for host in snapshot.blueprint.hosts
            for address in host.addresses
        )
        times = (renewal_at(leaf.public["certificate"]) for leaf in leaves if leaf is not None)
        return min(times, default=ALWAYS)

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Create and store missing secrets, all or none; then the blueprint has the public keys."""
        now = session.clock()
        request = SecretsRequest(
            snapshot.tenant.name, _missing(snapshot, now), snapshot.secrets, now
        )
        created = await asyncio.to_thread(self._make, request)
        async with session.begin() as connection:
            if created:
                await snapshot.secrets.save(connection, created, now=now)
            keys = _public(snapshot)
            await repository.set_public_keys(connection, snapshot.tenant.id, keys)
        for purpose in created:
            progress(f"created {purpose}")
        snapshot.tenant = replace(snapshot.tenant, public_keys=keys)
        snapshot.blueprint = snapshot.render(keys)


def _missing(snapshot: Snapshot, now: datetime) -> list[Missing]:
    secrets = snapshot.secrets
    addresses = [address for host in snapshot.blueprint.hosts for address in host.addresses]
    required = [Missing(SSH, None), Missing(CA, None)]
    required += [Missing(submission(a.name), a) for a in addresses if a.sends_bulk]
    missing = [secret for secret in required if secrets.find(secret.purpose) is None]
    for domain in snapshot.tenant.document.spec.domains:
        key = secrets.find(dkim(domain.name))
        if key is None or not _is_publishable(domain, key.public["selector"]):
            missing.append(Missing(dkim(domain.name), domain))
    missing += _missing_of_mailu(snapshot)
    for address in addresses:
        leaf = secrets.find(certificate(address.helo))
        if leaf is None or needs_renewal(leaf.public["certificate"], now=now):
            renewal = leaf is not None
            missing.append(Missing(certificate(address.helo), address, renewal=renewal))
    return missing


def _missing_of_mailu(snapshot: Snapshot) -> list[Missing]:
    """Return what hosts with Mailu need; its keys survive the host and its database."""
    required: list[Missing] = []
    for host in _mailu_hosts(snapshot):
        required += [Missing(mailu_token(host.name), host)]
        required += [Missing(mailu_secret_key(host.name), host)]
    required += [Missing(people_dkim(domain.name), domain) for domain in _mailu_domains(snapshot)]
    return [secret for secret in required if snapshot.secrets.find(secret.purpose) is None]


def _mailu_hosts(snapshot: Snapshot) -> list[Host]:
    hosts = snapshot.blueprint.hosts
    return [host for host in hosts if host.has_mailu and not host.is_retired]


def _mailu_domains(snapshot: Snapshot) -> list[Domain]:
    """Return the domains whose mailboxes are in Mailu."""
    hosts, domains = _mailu_hosts(snapshot), snapshot.blueprint.domains
    return [domain for domain in domains if domain.receives and any(map(domain.is_on, hosts))]


def _authority(created: NewSecrets, existing: SecretStore) -> Issued:
    if CA in created:
        secret, public = created[CA]
        return Issued(certificate=public["certificate"], private_key=secret)
    return Issued(certificate=existing.public(CA)["certificate"], private_key=existing.open(CA))


def _ssh_key(tenant: str) -> tuple[str, Mapping[str, Any]]:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), {"ssh": f"{public.decode()} penguin-{tenant}"}


def _selector(domain: DomainSpec, now: datetime) -> str:
    """Return the selector of a key for bulk mail.

    A manual zone's is a name that its owner set once; ours contains the month.
    """
    return MANUAL_SELECTORS[0] if domain.dns is Dns.MANUAL else f"pm{now:%Y%m}"


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=DKIM_BITS)


def _dkim_key(selector: str) -> tuple[str, Mapping[str, Any]]:
    """Create an RSA key (RFC 8301: at least 1024 bits, 2048 fit into one record)."""
    key = _rsa_key()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    encoded = base64.b64encode(public).decode()
    return private.decode(), {"selector": selector, "public_key": encoded}


def _is_publishable(domain: DomainSpec, selector: str) -> bool:
    """Return whether a key can be published: a manual zone has CNAMEs for two selectors only."""
    return domain.dns is not Dns.MANUAL or selector in MANUAL_SELECTORS


def _credential(address: Address, tenant: str) -> NewSecrets:
    credential = create_credential(address.name, tenant)
    public = {"username": credential.username}
    return {
        submission(address.name): (credential.password, public),
        submission_hash(address.name): (credential.password_hash, public),
    }


def _public(snapshot: Snapshot) -> PublicKeys:
    """Return the public keys, all of which exist, also of domains that drain."""
    secrets = snapshot.secrets
    domains = [domain.name for domain in snapshot.tenant.document.spec.domains]
    draining = [row.name for row in snapshot.draining_domains]
    return PublicKeys(
        ssh=secrets.public(SSH)["ssh"],
        dkim={
            name: Dkim.model_validate(secrets.public(dkim(name)))
            for name in dict.fromkeys([*domains, *draining])
        },
        people={
            domain.name: Dkim.model_validate(secrets.public(people_dkim(domain.name)))
            for domain in _mailu_domains(snapshot)
        },
    )
