"""The person who does what `penguin todo` lists, in the providers' portals and by commands."""

from __future__ import annotations

import re
from typing import Any

from blueprint.naming import is_server_of
from hostwinds.journal import close_server
from lab.hostwinds.server import Server
from tests.chaos.model.world import World
from tests.support.installation import INSTALLATION

SERVER = re.compile(r"server (\d+)")
NAME = re.compile(rf"{INSTALLATION}-[a-z0-9-]+-[0-9a-f]{{10}}(?:-\d+)?")
PAGE = 100


class Person:
    """Looks at the list and into the portals, and does what is missing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.conflicts: list[tuple[str, str]] = []
        """Records of others, by zone and id, that can be moved to other names."""
        self.untrue: list[str] = []
        """Entries that asked for what is not missing."""

    async def todo(self) -> list[dict[str, Any]]:
        """List what is to be done."""
        answer = await self._world.api.get("/todo", params={"limit": PAGE})
        answer.raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def act(self) -> None:
        """Do what is listed."""
        for item in await self.todo():
            self._do(item)
            await self._world.api.post(f"/tenants/{item['tenant']}/retry")

    def _do(self, item: dict[str, Any]) -> None:
        text = f"{item['message']} {item['remedy']}"
        number, name = SERVER.search(text), NAME.search(text)
        if item["reason"] == "WaitingForProvider" and number is not None:
            self._buy_address(int(number[1]), item)
        elif "penguin purchases forget" in item["remedy"] and name is not None:
            self._settle(name[0])
        elif item["reason"].startswith("Dns"):
            self._move_conflicts()
        for server in self._servers(item["tenant"]):
            if server.booted is None or server.off:
                self._world.hostwinds.power("boot", server.serviceid)

    def _servers(self, tenant: str) -> list[Server]:
        return [
            server
            for server in self._world.ours()
            if is_server_of(server.srvrname, INSTALLATION, tenant)
        ]

    def _buy_address(self, number: int, item: dict[str, Any]) -> None:
        """Buy an address in the portal, unless the server has one for each that is waited for."""
        found = [one for one in self._world.ours() if one.serviceid == number]
        if not found:
            self.untrue.append(f"{item['tenant']}: {item['remedy']}")
            return
        intents = [i for i in self._world.journal.intents() if i.key.startswith(f"{number}/")]
        adopted = {intent.outcome for intent in intents}
        waiting = sum(intent.outcome is None for intent in intents)
        free = [address for address in found[0].further if address not in adopted]
        if waiting > len(free):
            self._world.hostwinds.attach(number)

    def _settle(self, name: str) -> None:
        """Write what the portal shows of a purchase."""
        row = self._world.journal.find(name)
        if row is None:
            return
        numbers = [str(one.serviceid) for one in self._world.ours() if one.srvrname == name]
        if not numbers:
            close_server(self._world.journal, name)
            self._world.forgotten.append(name)
        elif row.outcome != numbers[0]:
            self._world.journal.settle(name, numbers[0])

    def _move_conflicts(self) -> None:
        while self.conflicts:
            self._world.cloudflare.delete(*self.conflicts.pop())
