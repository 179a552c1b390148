"""Seals secrets at rest: AES-256-GCM envelopes under a key ring that can be rotated."""

from vault.faults import VaultError
from vault.keyring import KeyRing
from vault.once import Recipient, seal_for
from vault.sealing import Vault

__all__ = ["KeyRing", "Recipient", "Vault", "VaultError", "seal_for"]
