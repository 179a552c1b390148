"""The part `sender`: queue to hand-over."""

from __future__ import annotations

import asyncio

import uvloop
from pydantic import SecretStr

from composition.heartbeat import Progress, Trouble
from composition.metrics import served
from composition.parts.settings import Part, SenderPart
from composition.process import start
from kit.database import Role, role_dsn
from kit.paths import state_dir
from sender.daemon import collect_rarely, run
from sender.dispatch import upkeep
from sender.metrics import Metrics
from sender.queue.lists import lists_trouble
from sender.settings import SenderSettings


async def work(settings: SenderPart, progress: Progress, stop: asyncio.Event) -> None:
    """Send until `stop` is set, then finish open hand-overs."""
    sender = SenderSettings(
        database_url=SecretStr(_dsn(settings)),
        key_ring=settings.key_file,
        token_key=settings.token_key,
        token_keys=settings.token_keys,
        public_url=settings.public_url,
        lists_url=settings.redis_url if settings.lists else None,
        redis_url=settings.redis_url,
        unsubscribe_address=settings.unsubscribe_address,
        helo=settings.helo,
        resolver=settings.resolver,
        grace=settings.stop_within.total_seconds(),
        outcomes_file=state_dir() / "outcomes.jsonl",
    )
    collect_rarely()
    metrics = Metrics()
    async with served(settings.socket, metrics.text):
        await run(sender, stop, progress=progress.tick, metrics=metrics)


def trouble(settings: SenderPart) -> Trouble:
    """Return what tells why nothing is sent, or not as it is set."""
    database = upkeep.Health(_dsn(settings))

    async def look() -> str:
        problem = await database.trouble()
        if not problem and settings.lists:
            problem = await lists_trouble(settings.redis_url.get_secret_value())
        return problem

    return look


def _dsn(settings: SenderPart) -> str:
    password = settings.passwords[Role.SENDER].get_secret_value()
    return role_dsn(settings.dsn, settings.login(Role.SENDER), password)


def main() -> None:
    """Run the part."""
    start(Part.SENDER, SenderPart, work, trouble, run=uvloop.run)
