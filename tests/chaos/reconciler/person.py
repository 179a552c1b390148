"""The person who does what `penguin todo` lists, in the providers' portals and by commands."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import psycopg

from hostwinds.journal import Journal, close_server, journal_from_environment
from kit.faults import Fault
from lab.hostwinds.errors import ProviderError
from lab.hostwinds.server import Server
from tests.chaos.reconciler.scene import Scene

PATIENCE = 6.0
"""Seconds that an entry is listed before the person believes the portal: it shows orders at
once, but one may be on its way."""
SERVER = re.compile(r"server (\d+)")
NAME = re.compile(r"k3f9a-[a-z0-9-]+-[0-9a-f]{10}(?:-\d+)?")
WAITS = "WaitingForProvider"
FORGET, CANCEL = "penguin purchases forget", "pulumi cancel"
LOCKS = """
select key, (convert_from(decode(data ->> 'data', 'base64'), 'utf8'))::json ->> 'pid'
from pulumi.pulumi_state where key ~ '/\\.pulumi/locks/' and strpos(key, %s) > 0
"""
UNLOCK = "delete from pulumi.pulumi_state where key = any(%s)"


class Person:
    """Looks at the list and into the portals, and does what is missing."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._journal: Journal = journal_from_environment(scene.environment)
        self._since: dict[tuple[str, str, str], float] = {}
        self.left: list[dict[str, Any]] = []
        """What was listed the last time and is not for this person to do."""

    async def act(self) -> None:
        """Do what is listed now."""
        items = await self._scene.requests.todo()
        keys = {_key(item) for item in items}
        self._since = {key: at for key, at in self._since.items() if key in keys}
        left = []
        for item in items:
            since = self._since.setdefault(_key(item), time.monotonic())
            is_old = time.monotonic() - since > PATIENCE
            try:
                done = await asyncio.to_thread(self._do, item, is_old=is_old)
            except (Fault, psycopg.Error):  # the database is away
                done = ""
            if done:
                self._scene.done[f"person: {done}"] += 1
            if not done or item["stalls"]:
                left.append(item)
            if is_old:
                await self._scene.requests.retry(item["tenant"])
                self._since.pop(_key(item), None)
        self.left = left

    def _do(self, item: dict[str, Any], *, is_old: bool) -> str:
        """Do what an entry asks for; return what was done, empty for nothing."""
        text = f"{item['message']} {item['remedy']}"
        if item["reason"] == WAITS and (found := SERVER.search(item["remedy"])):
            return self._buy_address(int(found[1]))
        if not is_old:
            return ""
        if CANCEL in item["remedy"]:
            return self._cancel(item["tenant"])
        name = NAME.search(text)
        if name is None:
            return ""
        servers = [one for one in self._scene.hostwinds.all_servers() if one.srvrname == name[0]]
        if FORGET in item["remedy"]:
            return self._settle(name[0], servers)
        if servers and servers[0].booted is None:
            self._scene.hostwinds.begin(servers[0])
            return "server booted"
        return ""

    def _buy_address(self, number: int) -> str:
        """Buy an address in the portal, unless the server has one for each that is waited for.

        Conditions are older than the ledger: an address may have been adopted since.
        """
        owned = [
            address
            for server in self._scene.hostwinds.all_servers()
            if server.serviceid == number
            for address in (*server.further, *server.coming)
        ]
        intents = [one for one in self._journal.intents() if one.key.startswith(f"{number}/")]
        adopted = {intent.outcome for intent in intents}
        waiting = sum(intent.outcome is None for intent in intents)
        if waiting <= sum(address not in adopted for address in owned):
            return ""
        try:
            self._scene.hostwinds.attach(number)
        except ProviderError:  # it has just ended
            return ""
        return "address bought"

    def _cancel(self, tenant: str) -> str:
        """Remove the lock of an engine that has crashed, as `pulumi cancel` does."""
        with psycopg.connect(self._scene.dsn) as connection:
            found = connection.execute(LOCKS, (f"/penguin/{tenant}/",)).fetchall()
            dead = [key for key, pid in found if not Path(f"/proc/{pid}").exists()]
            connection.execute(UNLOCK, (dead,))
        return "lock removed" if dead else ""

    def _settle(self, name: str, servers: list[Server]) -> str:
        """Write what the portal shows of a purchase."""
        row = self._journal.find(name)
        if row is None:
            return ""
        if servers:
            if row.outcome == str(servers[0].serviceid):
                return ""
            self._journal.settle(name, str(servers[0].serviceid))
            return "purchase settled"
        close_server(self._journal, name)
        return "purchase forgotten"


def _key(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["tenant"], item["subject"], item["reason"]
