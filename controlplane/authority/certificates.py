"""The certificate authority for submission: one root per tenant, one leaf per HELO name.

The sender trusts this root alone, so that neither a public CA nor an attacker who can answer an
ACME challenge can impersonate an egress address. Keys are returned as unencrypted PEM; the
caller seals them with `vault` before it stores them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=397)
RENEW_BEFORE = timedelta(days=60)
CLOCK_SKEW = timedelta(hours=1)
"""Certificates start this much in the past: a host's clock may be slow."""
COMMON_NAME_LIMIT = 64
"""Upper bound of a common name (RFC 5280, appendix A); longer names are in the SAN alone."""


@dataclass(frozen=True)
class Issued:
    """A certificate with its private key, both PEM; `repr` omits the key."""

    certificate: str
    private_key: str = field(repr=False)


def create_ca(tenant: str, *, now: datetime) -> Issued:
    """Create the root of a tenant's submission names: EC P-256, valid for ten years from `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"PenguinMails submission CA {tenant}")
    usage = _usage(sign_certificates=True)
    certificate = (
        _builder(name, name, key.public_key(), now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _issued(certificate, key)


def issue(ca: Issued, helo: str, *, now: datetime) -> Issued:
    """Issue a server certificate for one HELO name with a new key.

    Raises TypeError when the key of `ca` is not an EC key.
    """
    root = x509.load_pem_x509_certificate(ca.certificate.encode())
    root_key = serialization.load_pem_private_key(ca.private_key.encode(), password=None)
    if not isinstance(root_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the submission CA's private key is not an EC key")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(helo), root.subject, key.public_key(), now, LEAF_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(helo)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    return _issued(certificate, key)


def needs_renewal(certificate: str, *, now: datetime) -> bool:
    """Return whether a PEM certificate expires within `RENEW_BEFORE`."""
    return renewal_at(certificate) <= now


def renewal_at(certificate: str) -> datetime:
    """Return when a PEM certificate is to be renewed."""
    loaded = x509.load_pem_x509_certificate(certificate.encode())
    return loaded.not_valid_after_utc - RENEW_BEFORE


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(start + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:COMMON_NAME_LIMIT])])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    return Issued(
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        private_key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )
