"""The sealed secrets of a tenant, each with its public part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.queries import Queries
from kit.readings import Reading, Rows
from vault import Vault

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Secret:
    """A stored secret."""

    sealed: str = field(repr=False)
    public: Mapping[str, Any]


class SecretStore:
    """All secrets of a tenant by purpose (`ssh`, `dkim/acme.example`, `submission/mx1-2` …).

    Each is sealed with the context `<tenant id>/<purpose>`, so that none can replace another.
    """

    def __init__(self, vault: Vault, tenant_id: UUID, secrets: dict[str, Secret]) -> None:
        self.vault = vault
        self._tenant_id = tenant_id
        self._secrets = secrets

    @classmethod
    def reading(cls, vault: Vault, tenant_id: UUID) -> Reading[TextClause, SecretStore]:
        """Read all secrets of a tenant, sealed."""

        def stored(rows: Rows) -> SecretStore:
            secrets = {row["purpose"]: Secret(row["sealed"], row["public"]) for row in rows}
            return cls(vault, tenant_id, secrets)

        return Reading(SQL.load_secrets, {"tenant_id": tenant_id}, stored)

    @classmethod
    def one(cls, vault: Vault, tenant_id: UUID, purpose: str) -> Reading[TextClause, str | None]:
        """Read one secret of a tenant in clear; None where it does not exist."""

        def opened(rows: Rows) -> str | None:
            secrets = {row["purpose"]: Secret(row["sealed"], row["public"]) for row in rows}
            return cls(vault, tenant_id, secrets).open(purpose) if secrets else None

        return Reading(SQL.load_secret, {"tenant_id": tenant_id, "purpose": purpose}, opened)

    def find(self, purpose: str) -> Secret | None:
        """Return a secret, sealed."""
        return self._secrets.get(purpose)

    def sealed(self, purpose: str) -> str:
        """Return an existing secret, sealed."""
        return self._secrets[purpose].sealed

    def public(self, purpose: str) -> Mapping[str, Any]:
        """Return the public part of an existing secret."""
        return self._secrets[purpose].public

    def open(self, purpose: str) -> str:
        """Return an existing secret in clear."""
        context = f"{self._tenant_id}/{purpose}"
        return self.vault.open(self.sealed(purpose), context=context).decode()

    async def save(
        self,
        connection: AsyncConnection,
        created: Mapping[str, tuple[str, Mapping[str, Any]]],
        *,
        now: datetime,
    ) -> None:
        """Seal and write secrets (purpose to secret and public part), all or none."""
        sealed_secrets = {
            purpose: Secret(
                self.vault.seal(secret.encode(), context=f"{self._tenant_id}/{purpose}"), public
            )
            for purpose, (secret, public) in created.items()
        }
        await connection.execute(
            SQL.save_secrets,
            [
                {
                    "tenant_id": self._tenant_id,
                    "purpose": purpose,
                    "sealed": secret.sealed,
                    "public": json.dumps(secret.public),
                    "now": now,
                }
                for purpose, secret in sealed_secrets.items()
            ],
        )
        self._secrets.update(sealed_secrets)
