"""`penguin serve`: run API, reconciler and sender, together or alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from cli.api import serving
from cli.errors import CliError
from composition.db import database_dsn
from composition.event_log import log_to
from composition.init import write_private
from kit.database import Role, role_name
from kit.paths import state_dir

if TYPE_CHECKING:
    from controlplane.database import Database
    from controlplane.reconciler.loop import Reconciler
    from controlplane.reconciler.phase import AnyPhase
    from controlplane.settings import Settings
    from sender.settings import SenderSettings
    from tools.servers import Postgres, Valkey

app = typer.Typer(help="Run the control plane and the sender.")
SERVE = "serve.json"
LOG = Path("log") / "control-plane.jsonl"
PASSED_ON = ("PULUMI_", "HOSTWINDS_", "CLOUDFLARE_")
"""Beginnings of the variables that an operation of the engine may see."""
NOT_UPGRADED = ("authentication failed", "does not exist", "is not permitted to log in")
"""How PostgreSQL refuses a role or a database that `penguin db upgrade` makes."""


PhasesOf: TypeAlias = "Callable[[Settings, Mapping[str, str]], Sequence[AnyPhase]]"
"""Makes the reconciler's phases from the settings and the engine's environment."""


class Part(StrEnum):
    """What can run alone."""

    API = "api"
    RECONCILER = "reconciler"
    SENDER = "sender"


@app.command()
def serve(
    parts: Annotated[list[Part] | None, typer.Argument(help="Default: all in one process")] = None,
) -> None:
    """Run until SIGTERM; work that has begun is finished first."""
    from composition.reconciler import standard_phases

    run(set(parts or Part), standard_phases)


def run(parts: set[Part], phases: PhasesOf) -> None:
    """Run parts of the platform, the reconciler with these phases."""
    import structlog

    from controlplane.settings import Settings

    settings = Settings.read(state_dir())
    log_to(state_dir() / LOG)
    try:
        asyncio.run(_serve(settings, parts, phases))
    except Exception as error:
        code = getattr(error, "code", "internal")
        structlog.get_logger().error("ended", code=code, error=str(error))
        raise


class NoSenderAlive(Exception):
    """No process that sends has said a word for a minute."""


async def _serve(settings: Settings, parts: set[Part], phases: PhasesOf) -> None:
    import structlog

    from controlplane.database import Database

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    dsn = await asyncio.to_thread(database_dsn, settings)
    database = Database.connect(
        dsn,
        settings.platform.installation,
        settings.database.passwords(),
        pool_size=settings.database.pool_size,
    )
    structlog.get_logger().info("starting", parts=sorted(parts), settings=repr(settings))
    try:
        await _require_schema(database)
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep_servers(settings, parts, stop))
            for work in _works(settings, parts, phases, database, dsn, stop):
                group.create_task(_ends_all(work, stop))
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        await database.close()


async def _keep_servers(settings: Settings, parts: set[Part], stop: asyncio.Event) -> None:
    """Look after the embedded servers that these parts use."""
    from composition import embedded
    from composition.keeper import keep

    postgres, valkey = embedded.servers()
    used: list[Postgres | Valkey] = [postgres] if settings.database.dsn is None else []
    if settings.redis.url is None and Part.SENDER in parts:
        used.append(valkey)
    await keep(used, stop)


def _works(
    settings: Settings,
    parts: set[Part],
    phases: PhasesOf,
    database: Database,
    dsn: str,
    stop: asyncio.Event,
) -> list[Coroutine[Any, Any, None]]:
    """Prepare the parts; whatever may refuse comes before the first of them exists."""
    reconciler = _reconciler(settings, phases, database) if Part.RECONCILER in parts else None
    sender = _sender(settings, dsn) if Part.SENDER in parts else None
    works: list[Coroutine[Any, Any, None]] = []
    if Part.API in parts:
        works.append(_api(settings, database, dsn, stop))
    if reconciler is not None:
        works.append(reconciler.run(stop))
    if sender is not None:
        from sender.daemon import run as send

        works.append(send(sender, stop))
    return works


async def _ends_all(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Let the others finish their work when one part ends."""
    try:
        await work
    finally:
        stop.set()


async def _api(settings: Settings, database: Database, dsn: str, stop: asyncio.Event) -> None:
    from composition.reconciler import ROWS
    from controlplane.app import create_app
    from controlplane.database import role_engine
    from controlplane.service import listen, serve_http
    from sender.tokens import Tokens
    from sender.unsubscribe import create_router

    login = role_name(settings.platform.installation, Role.SENDER)
    mail = role_engine(dsn, login, settings.database.sender_password, pool_size=1)
    tokens = Tokens(bytes.fromhex(settings.mail.token_key.get_secret_value()))
    application = create_app(
        database=database,
        platform=settings.platform,
        pepper=settings.api.pepper.get_secret_value().encode(),
        phases=ROWS,
        probes={"queue": _queue_probe(settings), "email": _mail_probe(settings)},
        routers=[create_router(mail, tokens)],
    )
    listener = listen(settings.api.host, settings.api.port)
    url = f"http://{settings.api.host}:{listener.getsockname()[1]}"
    place = state_dir() / SERVE

    announced = json.dumps({"pid": os.getpid(), "url": url})

    def ready() -> None:
        if serving(place) is None:  # else the first one keeps the word
            write_private(place, announced)
        print(f"the API answers at {url}/api/v1 (docs: {url}/api/v1/docs)", flush=True)

    try:
        await serve_http(application, listener, stop, ready)
    finally:
        with suppress(FileNotFoundError):
            if place.read_text() == announced:
                place.unlink()
        await mail.dispose()


def _queue_probe(settings: Settings) -> Any:
    async def look() -> str:
        from redis.asyncio import Redis

        async with Redis.from_url(_redis_url(settings), socket_timeout=5) as redis:
            await redis.ping()
        return "answers"

    return look


def _mail_probe(settings: Settings) -> Any:
    async def look() -> str:
        from redis.asyncio import Redis

        from sender.lists import Lists

        url = _redis_url(settings)
        async with Redis.from_url(url, socket_timeout=5, decode_responses=True) as redis:
            alive = await Lists(redis, "probe").alive()
        if not alive:
            raise NoSenderAlive
        return "1 sender is alive" if alive == 1 else f"{alive} senders are alive"

    return look


def _reconciler(settings: Settings, phases: PhasesOf, database: Database) -> Reconciler:
    from composition.reconciler import reconciler

    return reconciler(settings, database, phases(settings, _engine_environment()))


def _engine_environment() -> dict[str, str]:
    """Return what operations of the engine see: nothing but what they need."""
    names = [name for name in os.environ if name.startswith(PASSED_ON)]
    names += [name for name in ("PATH", "HOME", "LANG", "TMPDIR", "NO_COLOR") if name in os.environ]
    found = {name: os.environ[name] for name in names}
    for name in ("PULUMI_BACKEND_URL", "PULUMI_HOME"):
        if not found.get(name):
            raise CliError(
                "serve.no_engine",
                f"{name} is not set: the reconciler cannot run the engine",
                remedy='run `eval "$(penguin lab env)"`, or `make up`, or set the variables of '
                "your own provider and Pulumi backend",
            )
    return found


def _sender(settings: Settings, dsn: str) -> SenderSettings:
    from controlplane.database import role_dsn
    from sender.settings import SenderSettings

    password = settings.database.sender_password.get_secret_value()
    return SenderSettings(
        database_url=role_dsn(
            dsn, role_name(settings.platform.installation, Role.SENDER), password
        ),
        redis_url=_redis_url(settings),
        key_ring=settings.vault.key_file,
        token_key=settings.mail.token_key,
        public_url=settings.mail.public_url,
        helo=settings.mail.helo,
    )


def _redis_url(settings: Settings) -> str:
    if settings.redis.url is not None:
        return settings.redis.url.get_secret_value()
    from composition import embedded

    _, valkey = embedded.servers()
    valkey.start()
    return valkey.url()


async def _require_schema(database: Database) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError, ProgrammingError

    from controlplane.database import CONTROLLER

    try:
        async with database.begin(CONTROLLER) as connection:
            await connection.execute(text("select 1 from oltp.tenants limit 1"))
    except (OperationalError, ProgrammingError) as error:
        words = str(error.orig).splitlines()[0]
        if isinstance(error, OperationalError) and not any(sign in words for sign in NOT_UPGRADED):
            raise CliError(
                "database.unreachable",
                words,
                remedy="check PENGUIN_DATABASE__DSN and that the server runs",
            ) from None
        raise CliError(
            "database.not_upgraded",
            f"the database is not ready: {words}",
            remedy="run `penguin db upgrade`",
        ) from None
