"""The API of the run, which answers again after an outage of the database."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

from tests.chaos.reconciler.documents import Tenant

ROOT = "/api/v1"
SECONDS = 120.0
"""For how long a request is repeated."""
PAUSE = 0.5
PAGE = 100


class Api:
    """Requests of an operator."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=f"{url}{ROOT}",
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=30,
        )

    async def apply(self, tenant: Tenant) -> bool:
        """Declare a tenant, or its deletion; False where the former one is still being deleted."""
        path = f"/tenants/{tenant.name}"
        if tenant.hosts:
            answer = await self._ask("PUT", path, json=tenant.document())
            if answer.status_code == httpx2.codes.CONFLICT:
                return False
        else:
            answer = await self._ask("DELETE", path)
            if answer.status_code == httpx2.codes.NOT_FOUND:
                return True
        answer.raise_for_status()
        return True

    async def retry(self, tenant: str) -> None:
        """Let what has failed for good be tried again."""
        await self._ask("POST", f"/tenants/{tenant}/retry")

    async def todo(self) -> list[dict[str, Any]]:
        """List what a person has to do."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await self._ask("GET", "/todo", params={"limit": PAGE, **cursor})
            answer.raise_for_status()
            page = answer.json()
            items += page["items"]
            if not page["next"]:
                return items
            cursor = {"cursor": page["next"]}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, **named: Any) -> httpx2.Response:
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    answer = await self._client.request(method, path, **named)
                except httpx2.HTTPError:
                    await asyncio.sleep(PAUSE)
                    continue
                if not answer.is_server_error:
                    return answer
                await asyncio.sleep(PAUSE)
