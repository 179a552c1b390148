"""Faults of sealing and opening. No message holds a secret."""

from __future__ import annotations

from kit.faults import Actor, Fault, Table


class VaultError(Fault):
    """A key ring or an envelope cannot be used."""


FAULTS = Table("vault", "The key ring and sealed secrets")

EXISTS = FAULTS.code(
    "vault.exists",
    message="a key ring exists already; a new one could not open existing secrets",
    remedy="use it, or add a key to it",
    cause="A key ring is created once.",
    acts=Actor.OPERATOR,
    raises=VaultError,
)
UNUSABLE = FAULTS.code(
    "vault.unusable",
    message="the key ring cannot be used: {reason}",
    remedy="restore it from your backup; nothing sealed can be opened without it",
    cause="The file of the key ring is missing or damaged.",
    example={"reason": "No such file or directory"},
    retryable=True,
    acts=Actor.OPERATOR,
    raises=VaultError,
)
OPEN_TO_OTHERS = FAULTS.code(
    "vault.open_to_others",
    message="other users can read the key ring (mode {mode:o})",
    remedy="run `chmod 600 {file}` and consider a new key",
    cause="The file's permissions allow other users than its owner.",
    example={"mode": 0o644, "file": ".penguin/master.keys"},
    retryable=True,
    acts=Actor.OPERATOR,
    raises=VaultError,
)
UNKNOWN_KEY = FAULTS.code(
    "vault.unknown_key",
    message="the envelope was sealed with key {key}, which is not in the key ring",
    remedy="restore the key ring that has this key",
    cause="The key ring is older than the secret, or of another installation.",
    example={"key": "a"},
    retryable=True,
    acts=Actor.OPERATOR,
    raises=VaultError,
)
DAMAGED_ENVELOPE = FAULTS.code(
    "vault.damaged_envelope",
    message="the envelope is damaged, or was sealed for another purpose",
    remedy="restore the row from your backup",
    cause="A sealed secret in the database was changed, or moved to another row.",
    retryable=True,
    acts=Actor.OPERATOR,
    raises=VaultError,
)
