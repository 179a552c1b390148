"""Faults of submission credentials."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("authority", "Credentials for submission")

HASH_FAILED = FAULTS.code(
    "authority.hash_failed",
    message="`openssl passwd` cannot hash a password: {reason}",
    remedy="install the package openssl on the machine that runs the control plane",
    cause="The program is missing, or is too old for SHA512-CRYPT.",
    example={"reason": "No such file or directory: 'openssl'"},
    retryable=True,
    acts=Actor.OPERATOR,
)
