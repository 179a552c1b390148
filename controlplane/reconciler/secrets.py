"""The sealed secrets of one tenant, with what may be public of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.queries import Queries
from vault import Vault

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Secret:
    """A secret as it is kept."""

    sealed: str = field(repr=False)
    public: Mapping[str, Any]


class SecretStore:
    """All secrets of a tenant by purpose (`ssh`, `dkim/acme.example`, `submission/mx1-2` …).

    Each is sealed with the context `<tenant id>/<purpose>`, so that none can stand in for another.
    """

    def __init__(self, vault: Vault, tenant_id: UUID, known: dict[str, Secret]) -> None:
        self._vault = vault
        self._tenant_id = tenant_id
        self._known = known

    @classmethod
    async def load(cls, connection: AsyncConnection, vault: Vault, tenant_id: UUID) -> SecretStore:
        """Read all secrets of a tenant; none is opened yet."""
        rows = await connection.execute(SQL.load_secrets, {"tenant_id": tenant_id})
        known = {row.purpose: Secret(row.sealed, row.public) for row in rows}
        return cls(vault, tenant_id, known)

    def find(self, purpose: str) -> Secret | None:
        """Return a secret, sealed."""
        return self._known.get(purpose)

    def sealed(self, purpose: str) -> str:
        """Return a secret that is known to exist, sealed."""
        return self._known[purpose].sealed

    def public(self, purpose: str) -> Mapping[str, Any]:
        """Return the public side of a secret that is known to exist."""
        return self._known[purpose].public

    def open(self, purpose: str) -> str:
        """Return a secret that is known to exist in clear."""
        context = f"{self._tenant_id}/{purpose}"
        return self._vault.open(self.sealed(purpose), context=context).decode()

    async def keep(
        self,
        connection: AsyncConnection,
        made: Mapping[str, tuple[str, Mapping[str, Any]]],
        *,
        now: datetime,
    ) -> None:
        """Seal and write secrets (purpose to secret and public side), all or none."""
        fresh = {
            purpose: Secret(
                self._vault.seal(secret.encode(), context=f"{self._tenant_id}/{purpose}"), public
            )
            for purpose, (secret, public) in made.items()
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
                for purpose, secret in fresh.items()
            ],
        )
        self._known.update(fresh)
