"""The certificate authority of the lab: trusted where a service of the lab is used, only for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit import files
from lab.commands import run

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
DAYS = 365
"""A lab lives for hours; its authority is made at each start."""


@dataclass(frozen=True)
class Certificate:
    """A certificate with its private key, both files in PEM."""

    certificate: Path
    key: Path


def create(directory: Path) -> Certificate:
    """Make an authority in a directory, in place of an earlier one."""
    subject = "/CN=Lab CA (not for use outside the lab)"
    # openssl's own settings make it an authority.
    extensions = ("keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
    return _make(directory, "ca", subject, extensions)


def issue(authority: Certificate, directory: Path, name: str, names: Sequence[str]) -> Certificate:
    """Issue a server certificate: files `name`, for `names` such as `DNS:ghcr.io`."""
    signed = ("-CA", str(authority.certificate), "-CAkey", str(authority.key))
    extensions = (
        f"subjectAltName={','.join(names)}",
        "basicConstraints=critical,CA:FALSE",
        "extendedKeyUsage=serverAuth",
        "authorityKeyIdentifier=keyid",
    )
    return _make(directory, name, f"/CN={name}", extensions, signed)


def _make(
    directory: Path, name: str, subject: str, extensions: Sequence[str], options: Sequence[str] = ()
) -> Certificate:
    made = Certificate(directory / f"{name}.crt", directory / f"{name}.key")
    files.write(made.key, "", mode=files.PRIVATE)  # openssl keeps the mode of an existing file
    output = ("-keyout", str(made.key), "-out", str(made.certificate), "-days", str(DAYS))
    added = [part for extension in extensions for part in ("-addext", extension)]
    run("openssl", "req", "-x509", *NEW_KEY, *output, "-subj", subject, *options, *added)
    return made
