"""Phase `keys`: every secret of a tenant is made once, here, and sealed before anything uses it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from blueprint.document import Address, Blueprint, Dkim, PublicKeys
from blueprint.naming import MANUAL_SELECTORS
from blueprint.render import render
from blueprint.tenant import Dns, DomainSpec
from controlplane.authority.certificates import Issued, create_ca, issue, needs_renewal
from controlplane.authority.credentials import create_credential
from controlplane.reconciler.context import Context
from controlplane.reconciler.secrets import SecretStore
from controlplane.tenants import repository

SSH = "ssh"
CA = "ca"
DKIM_BITS = 2048

Made = dict[str, tuple[str, Mapping[str, Any]]]
"""Purpose to secret and its public side."""


def dkim(domain: str) -> str:
    """Return the purpose of a domain's DKIM key; `sender.directory.dkim_context` agrees."""
    return f"dkim/{domain}"


def submission(address: str) -> str:
    """Return the purpose of a submission password; `sender.directory.password_context` agrees."""
    return f"submission/{address}"


def submission_hash(address: str) -> str:
    """Return the purpose of what the host knows of a submission password."""
    return f"submission-hash/{address}"


def certificate(helo: str) -> str:
    """Return the purpose of the TLS key of a host name."""
    return f"certificate/{helo}"


class Keys:
    """Makes what is missing, renews certificates in time, and renders the blueprint."""

    name = "keys"

    async def run(self, context: Context) -> None:
        """Make sure that all keys exist; afterwards the context has a blueprint."""
        plan = self._render(context, keys=None)
        now = context.ports.clock()
        if missing := self._missing(context, plan, now):
            async with context.operation("make", self.name) as progress:
                made = await asyncio.to_thread(_make, missing, context, now)
                async with context.begin() as connection:
                    await context.secrets.keep(connection, made, now=now)
                for purpose in made:
                    progress(f"made {purpose}")
        keys = _public(context)
        rendered = self._render(context, keys=keys)
        async with context.begin() as connection:
            if keys != context.tenant.public_keys:
                await repository.set_public_keys(connection, context.tenant.id, keys)
            await repository.remember_digest(
                connection, context.tenant.id, rendered.digest, rendered.generation, now
            )
        context.blueprint = rendered

    def _render(self, context: Context, *, keys: PublicKeys | None) -> Blueprint:
        return render(
            context.tenant.document,
            platform=context.ports.platform,
            keys=keys,
            generation=context.tenant.generation,
            incarnations={name: host.incarnation for name, host in context.hosts.items()},
        )

    def _missing(self, context: Context, plan: Blueprint, now: datetime) -> list[tuple[str, Any]]:
        """Return purposes that need a secret, each with what it is made from."""
        known = context.secrets
        wanted: list[tuple[str, Any]] = [(SSH, None), (CA, None)]
        addresses = [address for host in plan.hosts for address in host.addresses]
        wanted += [(submission(a.name), a) for a in addresses if a.sends_bulk]
        missing = [(purpose, source) for purpose, source in wanted if known.find(purpose) is None]
        for domain in context.tenant.document.spec.domains:
            key = known.find(dkim(domain.name))
            if key is None or not _can_be_found(domain, key.public["selector"]):
                missing.append((dkim(domain.name), domain))
        for address in addresses:
            found = known.find(certificate(address.helo))
            if found is None or needs_renewal(found.public["certificate"], now=now):
                missing.append((certificate(address.helo), address))
        return missing


def _make(missing: list[tuple[str, Any]], context: Context, now: datetime) -> Made:
    """Make secrets; takes about a tenth of a second for each RSA key."""
    made: Made = {}
    for purpose, source in missing:
        if purpose == SSH:
            made[purpose] = _ssh_key(context.tenant.name)
        elif purpose == CA:
            root = create_ca(context.tenant.name, now=now)
            made[purpose] = (root.private_key, {"certificate": root.certificate})
        elif isinstance(source, DomainSpec):
            made[purpose] = _dkim_key(source, now)
        elif purpose.startswith("submission/"):
            made.update(_credential(source, context.tenant.name))
        else:
            leaf = issue(_authority(made, context.secrets), source.helo, now=now)
            made[purpose] = (leaf.private_key, {"certificate": leaf.certificate})
    return made


def _authority(made: Made, known: SecretStore) -> Issued:
    if CA in made:
        secret, public = made[CA]
        return Issued(certificate=public["certificate"], private_key=secret)
    return Issued(certificate=known.public(CA)["certificate"], private_key=known.open(CA))


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
    """Tell whether receivers get to a key: a zone that became manual knows two names only."""
    return domain.dns is not Dns.MANUAL or selector in MANUAL_SELECTORS


def _credential(address: Address, tenant: str) -> Made:
    made = create_credential(address.name, tenant)
    public = {"username": made.username}
    return {
        submission(address.name): (made.password, public),
        submission_hash(address.name): (made.password_hash, public),
    }


def _public(context: Context) -> PublicKeys:
    known = context.secrets
    return PublicKeys(
        ssh=known.public(SSH)["ssh"],
        dkim={
            domain.name: Dkim.model_validate(known.public(dkim(domain.name)))
            for domain in context.tenant.document.spec.domains
        },
    )
