"""Tenants of a bench, brought to their documents by the product's own passes."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import text

from blueprint.document import Blueprint, Dkim, PublicKeys
from blueprint.render import render
from blueprint.tenant import Tenant
from controlplane.checker.loop import Checker
from controlplane.checks.kinds import CheckKind
from controlplane.database import CONTROLLER, OPERATOR, Database
from controlplane.reconciler.checks import Outside
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases import keys
from controlplane.reconciler.phases.configuration import Configuration
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.sweep import Sweep
from controlplane.schedule.schemas import Priority
from controlplane.settings import ReconcilerSettings
from controlplane.tenants import service
from controlplane.tenants.preconditions import Precondition
from controlplane.tenants.service import Agreement
from controlplane.verification.faults import MISSING
from tests.bench.reconciler.copies import Captured, Copies, Copy, write
from tests.bench.reconciler.outside import LargeAccount, WatchedEngine
from tests.support.installation import INSTALLATION, PASSWORDS, PLATFORM
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import MemoryLinks, standard
from vault import KeyRing, Vault

RSA_KEYS = 8
MAILBOXES = 20
PASSES = 3
"""In which every tenant is where it stays."""
INTERVALS = dict.fromkeys(CheckKind, timedelta(hours=2))
FORGET = text("delete from oltp.conditions where type = :type")
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
        self._dsn = dsn
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
        return self._reconciler(self._phases)

    @cached_property
    def _phases(self) -> list[AnyPhase]:
        return standard(
            self.engine,
            self.internet,
            MemoryConfigurator(),
            servers=self.account,
            check_intervals=INTERVALS,
        )

    def _reconciler(self, phases: Sequence[AnyPhase]) -> Reconciler:
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

    def checker(self) -> Checker:
        """Return a checker, whose checks cost nothing."""
        return Checker(
            self.database,
            self._vault,
            Outside(self.internet, MemoryLinks()),
            intervals=INTERVALS,
            at_once=64,
            clock=self.clock,
        )

    def rendered(self, name: str) -> Blueprint:
        """Return what names and hosts of a tenant are checked by, with keys in place of its own."""
        document = self.document(name)
        key = base64.b64encode(bytes(range(256)) + b"the rest").decode()
        dkim = {
            domain.name: Dkim(selector="pm1", public_key=key) for domain in document.spec.domains
        }
        return render(
            document,
            platform=PLATFORM,
            keys=PublicKeys(ssh="ssh-ed25519 AAAA", dkim=dkim),
            generation=1,
        )

    async def settle(self, said: Callable[[str], None] = lambda _: None) -> None:
        """Bring one tenant of each kind to its document, copy them, and let passes run over all
        until no further one changes anything."""
        self.time = datetime.now(UTC)
        self.engine.failing = self.failing
        kinds = [self.quiet, *(sorted(kind) for kind in (self.waiting, self.manual, self.failing))]
        with self._without_addresses():
            captured = await self._settle_templates([kind[0] for kind in kinds if kind])
            said(f"{len(captured)} tenants settled")
            self._copy(kinds, captured)
            said(f"{len(self.names)} tenants copied")
            self.time += timedelta(seconds=1)
            await self.request(self.names)
            said(f"{await self.until_nothing_is_due()} passes")
        await self.request(self.names, "cast(:now as timestamptz) + interval '10 minutes'")
        self.time = None

    async def _settle_templates(self, names: Sequence[str]) -> Mapping[str, Snapshot]:
        """Create tenants, and let passes run until no further one changes anything."""
        for name in names:
            async with self.database.begin(OPERATOR) as connection:
                row = await service.create(
                    connection, self.document(name), PLATFORM, now=self.clock()
                )
            self.ids[name] = row.id
        for name in self.manual:
            subject = f"domain/{name}-c.example"
            self.internet.wrong[subject, "dns.manual"] = MISSING
        captured = Captured()
        reconciler = self._reconciler([*self._phases, captured])
        with made_rsa_keys():
            for _ in range(PASSES):
                await self.request(names)
                while await reconciler.step("bench", asyncio.Event()):
                    pass
                self.time = self.clock() + timedelta(seconds=1)
        async with self.database.begin(CONTROLLER) as connection:
            await connection.execute(FORGET, {"type": captured.row.condition})
        return captured.snapshots

    def _copy(self, kinds: Sequence[Sequence[str]], captured: Mapping[str, Snapshot]) -> None:
        """Copy the first tenant of each kind for the others."""
        [configuration] = [each for each in self._phases if isinstance(each, Configuration)]
        copies = Copies(self._vault, self.engine, self.account, configuration)

        def made(names: Sequence[str], template: Snapshot) -> Iterator[Copy]:
            for name in names:
                copy = copies.make(template, name)
                self.ids[name] = copy.id
                yield copy

        write(
            self._dsn,
            {self.ids[names[0]]: made(names[1:], captured[names[0]]) for names in kinds if names},
        )

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
        stop, count = asyncio.Event(), itertools.count(await self.reconciler.confirm())

        async def work(number: int) -> None:
            while await self.reconciler.step(f"bench/{number}", stop):
                next(count)

        await asyncio.gather(*(work(number) for number in range(self.settings.workers)))
        return next(count)

    async def request(
        self,
        names: Sequence[str],
        due: str = "cast(:now as timestamptz)",
        priority: Priority = Priority.RESYNC,
    ) -> None:
        """Make tenants due as at a resync, or at another time and for another reason."""
        async with self.database.begin(CONTROLLER) as connection:
            await connection.execute(
                text(f"update oltp.schedule set due_at = {due}, priority = :priority "  # noqa: S608 - no input
                     "where tenant_id = any(:ids)"),
                {
                    "now": self.clock(),
                    "ids": [self.ids[name] for name in names],
                    "priority": int(priority),
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
