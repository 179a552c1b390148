"""Seals secrets at rest: AES-256-GCM envelopes under a key ring that can be rotated."""

from vault.faults import VaultError
from vault.keyring import KeyRing
from vault.sealing import Vault

__all__ = ["KeyRing", "Vault", "VaultError"]
