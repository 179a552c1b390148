"""Challenge records (`_acme-challenge.…`) at Cloudflare, by the program's own requests.

They are in no blueprint and in no state: they exist while an order is in flight. The mark says
whose they are: they are not foreign, and none is left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from blueprint.records import installation_mark, ownership_comment
from kit.faults import Fault
from stacks.cloudflare_api import Live, create, credentials_in, list_all, remove
from stacks.faults import ZONE_NOT_FOUND
from stacks.zones import find_zone

LABEL = "_acme-challenge"
TTL = 60
Shown = Callable[[str, str, str], Awaitable[None]]
"""Takes zone, name and content; returns when all servers of the zone show the record."""


class CloudflareChallenges:
    """The `ChallengeRecords` of the reconciler."""

    def __init__(self, environment: Mapping[str, str], installation: str, shown: Shown) -> None:
        self._environment = environment
        self._installation = installation
        self._shown = shown

    async def publish(self, tenant: str, name: str, content: str) -> None:
        """Write the record, remove others of ours, and wait until it is shown."""
        zone = await asyncio.to_thread(self._write, tenant, name, content)
        await self._shown(zone, f"{LABEL}.{name}", content)

    async def withdraw(self, tenant: str, name: str) -> None:
        """Remove all of ours; there are none in a zone that is not in the account any more."""
        try:
            await asyncio.to_thread(self._write, tenant, name, None)
        except Fault as fault:
            if fault.code is not ZONE_NOT_FOUND:
                raise

    def _write(self, tenant: str, name: str, content: str | None) -> str:
        """Let the name have one record of ours, or none; return its zone."""
        with credentials_in(self._environment):
            zone = find_zone(name)
            path = f"/zones/{zone.id}/dns_records"
            wanted = None if content is None else f'"{content}"'
            for live in self._ours(path, name):
                if live.get("content") == wanted:
                    wanted = None
                else:
                    remove(f"{path}/{live['id']}")
            if wanted is not None:
                comment = ownership_comment(self._installation, tenant, f"{LABEL}/{name}")
                record = {"type": "TXT", "name": f"{LABEL}.{name}", "content": wanted}
                create(path, {**record, "ttl": TTL, "comment": comment})
            return zone.name

    def _ours(self, path: str, name: str) -> Iterable[Live]:
        """Return what this installation wrote, also for a tenant that had the name before."""
        mark = installation_mark(self._installation)
        listed = list_all(path, name=f"{LABEL}.{name}", type="TXT")
        return [live for live in listed if (live.get("comment") or "").startswith(mark)]
