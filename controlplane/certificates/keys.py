"""Keys of certificates, their requests, and what an authority has made of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

RENEWED_AFTER = 2 / 3
"""Part of its life after which a certificate is renewed."""


@dataclass(frozen=True)
class Life:
    """When a certificate is valid, and when it is renewed."""

    not_before: datetime
    not_after: datetime

    @property
    def renew_at(self) -> datetime:
        """Two thirds of its life are over: what then fails has a third of it to come right."""
        return self.not_before + (self.not_after - self.not_before) * RENEWED_AFTER


def create_key() -> str:
    """Return a new private key, EC P-256: PKCS 8 PEM, not encrypted."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def load_key(private_key: str) -> ec.EllipticCurvePrivateKey:
    """Return a key that `create_key` made."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - says so to the type checker
    return key


def request_of(private_key: str, name: str) -> bytes:
    """Return the certificate signing request of a key for one name, PEM."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(load_key(private_key), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def life_of(chain: str, private_key: str, name: str) -> Life:
    """Return when a chain's leaf is valid; raises ValueError if it is not of this key and name."""
    leaf = x509.load_pem_x509_certificates(chain.encode())[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        covered = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        covered = []
    if name not in covered:
        raise ValueError(f"it is of {', '.join(covered) or 'no name'}")
    if leaf.public_key() != load_key(private_key).public_key():
        raise ValueError("it is of another key")
    return Life(leaf.not_valid_before_utc, leaf.not_valid_after_utc)
