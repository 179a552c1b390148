"""The part `sender`: queue to hand-over."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from composition.heartbeat import Progress
from composition.parts.settings import Part, SenderPart
from composition.process import start
from kit.database import Role, role_dsn
from kit.paths import state_dir
from sender.daemon import run
from sender.dispatch import upkeep
from sender.settings import SenderSettings


async def work(settings: SenderPart, progress: Progress, stop: asyncio.Event) -> None:
    """Send until `stop` is set, then finish open hand-overs."""
    sender = SenderSettings(
        database_url=SecretStr(_dsn(settings)),
        key_ring=settings.key_file,
        token_key=settings.token_key,
        token_keys=settings.token_keys,
        public_url=settings.public_url,
        helo=settings.helo,
        resolver=settings.resolver,
        outcomes_file=state_dir() / "outcomes.jsonl",
    )
    await run(sender, stop, progress=progress.tick)


async def trouble(settings: SenderPart) -> str:
    """Return why nothing is sent; empty when there is no such problem."""
    return await upkeep.trouble(_dsn(settings))


def _dsn(settings: SenderPart) -> str:
    password = settings.passwords[Role.SENDER].get_secret_value()
    return role_dsn(settings.dsn, settings.login(Role.SENDER), password)


if __name__ == "__main__":
    start(Part.SENDER, SenderPart, work, trouble)
