"""Submission credentials: one random password per (address, tenant), hashed for the host."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass, field

from controlplane.authority.faults import HASH_FAILED
from kit.faults import first_line

PASSWORD_BYTES = 24
"""192 random bits cannot be guessed, so the hash needs no more than its default rounds."""
HASH_SECONDS = 30


@dataclass(frozen=True)
class Credential:
    """A submission login. The sender stores `password` sealed; the host gets only the hash."""

    username: str
    password: str = field(repr=False)
    password_hash: str = field(repr=False)


def create_credential(address: str, tenant: str) -> Credential:
    """Create the login of a tenant for one address: `mx1-2.acme`, with a random password."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    return Credential(
        username=f"{address}.{tenant}", password=password, password_hash=hash_password(password)
    )


def hash_password(password: str) -> str:
    """Hash a password with SHA512-CRYPT and a random salt, as `$6$salt$hash`.

    The password goes to openssl on its standard input: any user of the machine can read an
    argument list. Raises HASH_FAILED when openssl is missing or fails.
    """
    try:
        done = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"],
            input=password + "\n",
            capture_output=True,
            text=True,
            timeout=HASH_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise HASH_FAILED(reason=first_line(error)) from None
    hashed = done.stdout.strip()
    if not hashed.startswith("$6$"):
        raise HASH_FAILED(reason="its output is not a SHA512-CRYPT hash")
    return hashed
