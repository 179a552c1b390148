"""Tenants of a bench, brought to their documents by the product's own passes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import text

from blueprint.tenant import Tenant
from controlplane.database import CONTROLLER, OPERATOR, Database
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.phases import keys
from controlplane.reconciler.sweep import Sweep
from controlplane.schedule.schemas import Priority
from controlplane.settings import ReconcilerSettings
from controlplane.tenants import service
from controlplane.tenants.preconditions import Precondition
from controlplane.tenants.service import Agreement
from controlplane.verification.faults import MISSING
from tests.bench.reconciler.outside import LargeAccount, WatchedEngine
from tests.support.installation import INSTALLATION, PASSWORDS, PLATFORM
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import standard
from vault import KeyRing, Vault

RSA_KEYS = 8
MAILBOXES = 20
PASSES = 3
"""In which every tenant is where it stays."""
SPREAD = text("""
update oltp.schedule
set due_at = cast(:now as timestamptz) + random() * cast(:over as interval), priority = :resync
""")


class World:
    """Tenants of which every 20th waits for an address, every 50th has a zone that its owner has
    not written, and every 100th fails."""

    def __init__(self, dsn: str, root: Path, tenants: int) -> None:
        self.time: datetime | None = None
        """The time of the reconciler; None: the real one."""
        self.names = [f"t{number:05}" for number in range(tenants)]
        self.database = Database.connect(dsn, INSTALLATION, PASSWORDS)
        self.account = LargeAccount()
        self.engine = WatchedEngine(self.account)
        self.internet = MemoryInternet()
        self.settings = ReconcilerSettings()
        self._vault = Vault(KeyRing.create(root / "keys"))
        self.waiting = set(self.names[5::20])
        self.manual = set(self.names[6::50])
        self.failing = set(self.names[7::100])
        self.quiet = [
            name for name in self.names if name not in self.waiting | self.manual | self.failing
        ]
        """Those with nothing to do."""
        self.ids: dict[str, UUID] = {}

    def clock(self) -> datetime:
        """Return the time."""
        return self.time or datetime.now(UTC)

    @cached_property
    def reconciler(self) -> Reconciler:
        """The reconciler with all phases of the product."""
        phases = standard(self.engine, self.internet, MemoryConfigurator(), servers=self.account)
        return Reconciler(
            database=self.database,
            vault=self._vault,
            platform=PLATFORM,
            phases=phases,
            settings=self.settings,
            clock=self.clock,
        )

    def sweep(self) -> Sweep:
        """Return a sweep of the account."""
        return Sweep(self.database, self.account, self.clock)

    async def settle(self, said: Callable[[str], None] = lambda _: None) -> None:
        """Create all tenants, and let passes run until no further one changes anything."""
        self.time = datetime.now(UTC)
        self.engine.failing = self.failing
        for name in self.names:
            async with self.database.begin(OPERATOR) as connection:
                row = await service.create(
                    connection, self.document(name), PLATFORM, now=self.clock()
                )
            self.ids[name] = row.id
            if name in self.manual:
                subject = f"domain/{name}-c.example"
                self.internet.wrong[subject, "dns.manual"] = MISSING
        with made_rsa_keys(), self._without_addresses():
            for turn in range(PASSES):
                count = await self.until_nothing_is_due()
                said(f"{count} passes")
                if turn + 1 < PASSES:
                    self.time += timedelta(seconds=1)
                    await self.request(self.names, "cast(:now as timestamptz)")
        self.time = None

    @contextmanager
    def _without_addresses(self) -> Iterator[None]:
        """Let no further address be sold to servers of tenants that wait."""
        order = self.account.order

        def ordered(label: str) -> Any:
            if any(name in label for name in self.waiting):
                self.account.waiting.add(label)
            return order(label)

        with patch.object(self.account, "order", ordered):
            yield

    async def until_nothing_is_due(self) -> int:
        """Run passes that are due; return how many."""
        stop, count = asyncio.Event(), itertools.count()

        async def work(number: int) -> None:
            while await self.reconciler.step(f"bench/{number}", stop):
                next(count)

        await asyncio.gather(*(work(number) for number in range(self.settings.workers)))
        return next(count)

    async def request(self, names: list[str], due: str = "cast(:now as timestamptz)") -> None:
        """Make tenants due as at a resync, or at another time."""
        async with self.database.begin(CONTROLLER) as connection:
            await connection.execute(
                text(f"update oltp.schedule set due_at = {due}, priority = :resync "  # noqa: S608 - no input
                     "where tenant_id = any(:ids)"),
                {
                    "now": self.clock(),
                    "ids": [self.ids[name] for name in names],
                    "resync": int(Priority.RESYNC),
                },
            )  # fmt: skip

    async def spread(self, over: timedelta) -> None:
        """Let the next look at every tenant be at a random time."""
        async with self.database.begin(CONTROLLER) as connection:
            await connection.execute(
                SPREAD, {"now": self.clock(), "over": over, "resync": int(Priority.RESYNC)}
            )

    async def change(self, name: str, cap: int) -> None:
        """Change a tenant's document as a user does."""
        async with self.database.begin(OPERATOR) as connection:
            await service.apply(
                connection,
                name,
                self.document(name, cap=cap),
                Precondition(None, None),
                may_create=False,
                agreed=Agreement(PLATFORM, destroys_mail=False),
                now=self.clock(),
            )

    def document(self, name: str, *, cap: int = 40) -> Tenant:
        """Return a document with 2 hosts, 5 addresses, 3 domains and 20 mailboxes."""
        domains = [f"{name}-{letter}.example" for letter in "abc"]
        manual = {"dns": "manual"} if name in self.manual else {}
        return Tenant.model_validate(
            {
                "apiVersion": "penguinmails.dev/v1",
                "kind": "Tenant",
                "metadata": {"name": name},
                "spec": {
                    "plan": "business",
                    "region": "us-west",
                    "hosts": [
                        {
                            "name": "mx1",
                            "size": "business",
                            "addresses": 3,
                            "zone": domains[0],
                            "mail": "none",
                        },
                        {
                            "name": "mx2",
                            "size": "business",
                            "addresses": 2,
                            "zone": domains[1],
                            "mail": "none",
                        },
                    ],
                    "domains": [
                        {"name": domains[0]},
                        {"name": domains[1]},
                        {"name": domains[2], **manual},
                    ],
                    "mailboxes": [
                        {"address": f"box{number}@{domains[number % 3]}", "daily_cap": cap}
                        for number in range(MAILBOXES)
                    ],
                    "sending": {"postal_address": "Bench Inc., 1 Main Street, Springfield"},
                },
            }
        )


@contextmanager
def made_rsa_keys() -> Iterator[None]:
    """Let domains of all tenants have a few keys in turn: to make one takes a tenth of a second."""
    made = [keys._rsa_key() for _ in range(RSA_KEYS)]
    number = itertools.count()
    with patch.object(keys, "_rsa_key", lambda: made[next(number) % RSA_KEYS]):
        yield
