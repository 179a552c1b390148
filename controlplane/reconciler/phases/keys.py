"""Phase `keys`: every secret of a tenant is made once, here, and sealed before anything uses it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from blueprint.document import Address, Dkim, PublicKeys
from blueprint.naming import MANUAL_SELECTORS
from blueprint.tenant import Dns, DomainSpec
from controlplane.authority.certificates import Issued, create_ca, issue, needs_renewal
from controlplane.authority.credentials import create_credential
from controlplane.conditions.model import TENANT, bad, ok
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.purposes import (
    CA,
    SSH,
    certificate,
    dkim,
    submission,
    submission_hash,
)
from controlplane.reconciler.secrets import SecretStore
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row
from controlplane.tenants import repository

DKIM_BITS = 2048

Made = dict[str, tuple[str, Mapping[str, Any]]]
"""Purpose to secret and its public side."""


@dataclass(frozen=True)
class Missing:
    """A secret to make, with what it is made from."""

    purpose: str
    source: DomainSpec | Address | None
    renewal: bool = False
    """Whether it takes the place of a certificate that ends soon."""


@dataclass(frozen=True)
class Order:
    """Secrets to make for a tenant that has some already."""

    tenant: str
    missing: Sequence[Missing]
    existing: SecretStore
    now: datetime


def make_secrets(order: Order) -> Made:
    """Make secrets; takes about a tenth of a second for each RSA key."""
    made: Made = {}
    for one in order.missing:
        if one.purpose == SSH:
            made[one.purpose] = _ssh_key(order.tenant)
        elif one.purpose == CA:
            root = create_ca(order.tenant, now=order.now)
            made[one.purpose] = (root.private_key, {"certificate": root.certificate})
        elif isinstance(one.source, DomainSpec):
            made[one.purpose] = _dkim_key(one.source, order.now)
        elif isinstance(one.source, Address) and one.purpose == submission(one.source.name):
            made.update(_credential(one.source, order.tenant))
        elif isinstance(one.source, Address):
            leaf = issue(_authority(made, order.existing), one.source.helo, now=order.now)
            made[one.purpose] = (leaf.private_key, {"certificate": leaf.certificate})
    return made


class Keys(Phase[Sequence[Missing]]):
    """Makes what is missing, and renews certificates in time."""

    row = Row(
        name="keys",
        condition="KeysReady",
        about="all keys, certificates and credentials of the tenant are made and sealed",
        subjects=frozenset({Kind.TENANT}),
    )

    def __init__(self, make: Callable[[Order], Made] = make_secrets) -> None:
        self._make = make

    async def observe(self, snapshot: Snapshot, session: Session) -> Sequence[Missing]:
        """Return what there is no secret for, or whose certificate ends soon."""
        return _missing(snapshot, session.clock())

    def verdicts(self, observed: Sequence[Missing], snapshot: Snapshot) -> Verdicts:
        """Return whether all exist."""
        if observed:
            names = ", ".join(one.purpose for one in observed)
            return {TENANT: bad("KeysMissing", f"not made yet: {names}")}
        if _public(snapshot) != snapshot.tenant.public_keys:
            return {TENANT: bad("KeysUnpublished", "the public halves are not written yet")}
        return {TENANT: ok("KeysMade")}

    def steps(self, observed: Sequence[Missing], snapshot: Snapshot) -> Sequence[Step]:
        """Return one step for all, also where only the list of domains is another."""
        if observed:
            return [Step(operation="make", upkeep=all(one.renewal for one in observed))]
        if _public(snapshot) != snapshot.tenant.public_keys:
            return [Step()]
        return []

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Make and keep what is missing, all or none; then the blueprint holds the public keys."""
        now = session.clock()
        order = Order(snapshot.tenant.name, _missing(snapshot, now), snapshot.secrets, now)
        made = await asyncio.to_thread(self._make, order)
        async with session.begin() as connection:
            if made:
                await snapshot.secrets.keep(connection, made, now=now)
            keys = _public(snapshot)
            await repository.set_public_keys(connection, snapshot.tenant.id, keys)
        for purpose in made:
            progress(f"made {purpose}")
        snapshot.tenant = replace(snapshot.tenant, public_keys=keys)
        snapshot.blueprint = snapshot.render(keys)


def _missing(snapshot: Snapshot, now: datetime) -> list[Missing]:
    secrets = snapshot.secrets
    addresses = [address for host in snapshot.blueprint.hosts for address in host.addresses]
    wanted = [Missing(SSH, None), Missing(CA, None)]
    wanted += [Missing(submission(a.name), a) for a in addresses if a.sends_bulk]
    missing = [one for one in wanted if secrets.find(one.purpose) is None]
    for domain in snapshot.tenant.document.spec.domains:
        key = secrets.find(dkim(domain.name))
        if key is None or not _can_be_found(domain, key.public["selector"]):
            missing.append(Missing(dkim(domain.name), domain))
    for address in addresses:
        leaf = secrets.find(certificate(address.helo))
        if leaf is None or needs_renewal(leaf.public["certificate"], now=now):
            renewal = leaf is not None
            missing.append(Missing(certificate(address.helo), address, renewal=renewal))
    return missing


def _authority(made: Made, existing: SecretStore) -> Issued:
    if CA in made:
        secret, public = made[CA]
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


def _dkim_key(domain: DomainSpec, now: datetime) -> tuple[str, Mapping[str, Any]]:
    """Make an RSA key (RFC 8301: at least 1024 bits, 2048 fit into one record).

    A manual zone's selector is a name that its owner set once; ours says when it was made.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=DKIM_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    selector = MANUAL_SELECTORS[0] if domain.dns is Dns.MANUAL else f"pm{now:%Y%m}"
    encoded = base64.b64encode(public).decode()
    return private.decode(), {"selector": selector, "public_key": encoded}


def _can_be_found(domain: DomainSpec, selector: str) -> bool:
    """Return whether a key has a record: a manual zone has CNAMEs for two selectors only."""
    return domain.dns is not Dns.MANUAL or selector in MANUAL_SELECTORS


def _credential(address: Address, tenant: str) -> Made:
    made = create_credential(address.name, tenant)
    public = {"username": made.username}
    return {
        submission(address.name): (made.password, public),
        submission_hash(address.name): (made.password_hash, public),
    }


def _public(snapshot: Snapshot) -> PublicKeys:
    """Return the public halves of the keys, which are all there."""
    secrets = snapshot.secrets
    return PublicKeys(
        ssh=secrets.public(SSH)["ssh"],
        dkim={
            domain.name: Dkim.model_validate(secrets.public(dkim(domain.name)))
            for domain in snapshot.tenant.document.spec.domains
        },
    )
