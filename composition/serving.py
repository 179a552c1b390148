"""What `penguin serve` runs: reads the settings, and gives each part its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from pydantic import SecretStr

from cli.connection import SERVE, serving
from cli.errors import reported
from composition import embedded
from composition.dsn import configured, journal
from composition.event_log import LOG, log_to
from composition.faults import DATABASE_NOT_UPGRADED, LIMIT_NOT_READ, NO_ENGINE
from composition.keeper import keep_running
from composition.listening import listen
from composition.parts.settings import (
    ROLES,
    ApiPart,
    CheckerPart,
    HttpsPart,
    Part,
    PublicPart,
    ReconcilerPart,
    SenderPart,
)
from composition.settings import Settings
from composition.supervisor import Child, Supervisor
from controlplane.ansible.private_directory import clear_abandoned, default_root
from controlplane.certificates import PUBLIC_KEYS
from controlplane.faults import DATABASE_UNAVAILABLE
from kit import files
from kit.database import Role, connection_options, role_name, without_login
from kit.faults import Fault, first_line
from kit.paths import state_dir
from kit.plugins import SERVED
from kit.processes import own_identity
from kit.queries import Queries
from tools.servers import Postgres, Valkey

SQL = Queries(__file__, str)
PORTS = {
    Part.API: 8400,
    Part.PUBLIC: 8401,
    Part.SENDER: 8402,
    Part.RECONCILER: 8403,
    Part.CHECKER: 8404,
}
REQUESTS_END_WITHIN = timedelta(seconds=15)
"""The HTTP server itself gives running requests ten seconds."""
OUTCOMES_END_WITHIN = timedelta(seconds=10)
"""For the sender to record the outcomes, after it has waited for hosts."""
STOP_ORDER = {Part.API: 0, Part.PUBLIC: 0, Part.CHECKER: 1, Part.RECONCILER: 1, Part.SENDER: 2}
"""No request comes in while the others stop; open hand-overs are finished last."""
ENGINE_PREFIXES = ("PULUMI_", "HOSTWINDS_", "CLOUDFLARE_")
"""Prefixes of the variables that an operation of the engine may see."""
ENGINE_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "NO_COLOR", SERVED)
LIMITS = {"HOSTWINDS_MONTHLY_LIMIT": "--monthly", "HOSTWINDS_ORDERS_A_DAY": "--orders-a-day"}
"""Variables of earlier versions, whose limits must not end unnoticed."""
NOT_UPGRADED = ("authentication failed", "does not exist", "is not permitted to log in")
"""How PostgreSQL refuses a role or a database that `penguin db upgrade` creates."""


def main(parts: Collection[Part], reconciler: str = "composition.parts.reconciler") -> None:
    """Run until SIGTERM. `reconciler` is the module of that part."""
    with reported(lambda: state_dir() / "log" / "penguin.log"):
        settings = Settings.read(state_dir())
        log_to(state_dir() / LOG)
        try:
            asyncio.run(_serve(settings, parts, reconciler))
        except Exception as error:
            code = str(error.code) if isinstance(error, Fault) else "internal"
            structlog.get_logger().error("ended", code=code, error=str(error))
            raise


async def _serve(settings: Settings, parts: Collection[Part], reconciler: str) -> None:
    stop = asyncio.Event()
    dsn = configured(settings)
    sockets = dict(_sockets(settings, parts))
    https = _https_socket(settings, parts)
    children = [_child(part, settings, dsn, sockets.get(part), https, reconciler) for part in parts]
    structlog.get_logger().info("starting", parts=sorted(parts), settings=repr(settings))
    supervisor = Supervisor(children, stop)

    def end() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    watching = asyncio.create_task(_keep_servers(settings, parts))
    announced = _announce(sockets, https)
    try:
        await supervisor.run()
    finally:
        watching.cancel()
        clear_abandoned(default_root())  # keys of a host, if the reconciler had to be killed
        _withdraw(announced)


def _child(
    part: Part,
    settings: Settings,
    dsn: str,
    listener: socket.socket | None,
    https: socket.socket | None,
    reconciler: str,
) -> Child:
    own = _settings_of(part, settings, dsn, listener, https)
    listeners = [listener, https if part is Part.PUBLIC else None]
    modules = {Part.RECONCILER: reconciler}
    limits = {
        Part.RECONCILER: settings.reconciler.stop_within,
        Part.SENDER: settings.mail.stop_within + OUTCOMES_END_WITHIN,
    }
    return Child(
        name=part,
        module=modules.get(part, f"composition.parts.{part}"),
        settings=own.model_dump_json().encode(),
        stop_order=STOP_ORDER[part],
        stop_within=limits.get(part, REQUESTS_END_WITHIN),
        sockets=tuple(one.fileno() for one in listeners if one is not None),
    )


def _settings_of(
    part: Part,
    settings: Settings,
    dsn: str,
    listener: socket.socket | None,
    https: socket.socket | None,
) -> ApiPart | PublicPart | ReconcilerPart | SenderPart | CheckerPart:
    """Return what a part needs, and nothing else."""
    passwords = settings.database.passwords()
    login: dict[str, Any] = {
        "dsn": without_login(dsn),
        "installation": settings.platform.installation,
        "passwords": {role: passwords[role] for role in ROLES[part]},
    }
    match part:
        case Part.API:
            return ApiPart(
                **login,
                pool_size=settings.database.pool_size,
                platform=settings.platform,
                pepper=settings.api.pepper,
                redis_url=SecretStr(embedded.redis_url(settings)),
                images=settings.images,
                socket=_descriptor(listener),
            )
        case Part.PUBLIC:
            return PublicPart(
                **login,
                token_key=settings.mail.token_key,
                token_keys=settings.mail.token_keys,
                socket=_descriptor(listener),
                https=_https(settings, https),
            )
        case Part.RECONCILER:
            return ReconcilerPart(
                **login,
                pool_size=settings.database.pool_size,
                platform=settings.platform,
                key_file=settings.vault.key_file,
                hosts=settings.hosts,
                images=settings.images,
                verification=settings.verification,
                reconciler=settings.reconciler,
                certificates=settings.certificates,
                engine=engine_environment(settings),
                socket=_descriptor(listener),
            )
        case Part.CHECKER:
            return CheckerPart(
                **login,
                pool_size=settings.database.pool_size,
                key_file=settings.vault.key_file,
                verification=settings.verification,
                roots=settings.certificates.roots,
                socket=_descriptor(listener),
            )
        case Part.SENDER:
            return SenderPart(
                **login,
                key_file=settings.vault.key_file,
                token_key=settings.mail.token_key,
                token_keys=settings.mail.token_keys,
                public_url=settings.mail.public_url,
                unsubscribe_address=settings.mail.unsubscribe_address,
                helo=settings.mail.helo,
                resolver=settings.verification.resolver or None,
                redis_url=SecretStr(embedded.redis_url(settings)),
                lists=settings.mail.lists,
                stop_within=settings.mail.stop_within,
                socket=_descriptor(listener),
            )


def _https(settings: Settings, listener: socket.socket | None) -> HttpsPart | None:
    """Return what the public endpoints need for HTTPS; a derived key in place of the key ring."""
    if listener is None:
        return None
    from vault import KeyRing

    keys = KeyRing.load(settings.vault.key_file).derived(PUBLIC_KEYS)
    return HttpsPart(
        socket=listener.fileno(),
        keys=SecretStr(keys.document()),
        certificate=settings.https.certificate,
    )


def _descriptor(listener: socket.socket | None) -> int:
    assert listener is not None  # noqa: S101 - parts that listen have one
    return listener.fileno()


def engine_environment(settings: Settings) -> dict[str, SecretStr]:
    """Return the environment variables of engine operations: only those that they need.

    The purchase journal is always in this control plane's database, so that all replicas share it.
    """
    for name, option in LIMITS.items():
        if os.environ.get(name):
            raise LIMIT_NOT_READ(variable=name, option=option)
    names = [name for name in os.environ if name.startswith(ENGINE_PREFIXES)]
    names += [name for name in ENGINE_VARIABLES if name in os.environ]
    for name in ("PULUMI_BACKEND_URL", "PULUMI_HOME"):
        if not os.environ.get(name):
            raise NO_ENGINE(variable=name)
    variables = {name: os.environ[name] for name in names} | {
        "HOSTWINDS_JOURNAL": journal(settings)
    }
    return {name: SecretStr(value) for name, value in variables.items()}


def _sockets(settings: Settings, parts: Iterable[Part]) -> Iterable[tuple[Part, socket.socket]]:
    names = {
        Part.API: "api",
        Part.PUBLIC: "public",
        Part.SENDER: "metrics",
        Part.RECONCILER: "reconciler_metrics",
        Part.CHECKER: "checker_metrics",
    }
    for part, name in names.items():
        if part in parts:
            address, setting = getattr(settings, name), f"PENGUIN_{name.upper()}"
            yield part, listen(address.host, address.port, PORTS[part], setting)


def _https_socket(settings: Settings, parts: Collection[Part]) -> socket.socket | None:
    if Part.PUBLIC not in parts or settings.https.port is None:
        return None
    return listen(settings.https.host, settings.https.port, setting="PENGUIN_HTTPS")


def _announce(sockets: dict[Part, socket.socket], https: socket.socket | None) -> str:
    """Write the addresses of this control plane, unless another one on this machine has done so."""
    if Part.API not in sockets:
        return ""
    urls = {
        part: "http://{}:{}".format(*listener.getsockname()) for part, listener in sockets.items()
    }
    announced = json.dumps(
        {
            "process": own_identity(),
            "url": urls[Part.API],
            "public_url": urls.get(Part.PUBLIC),
            "https": https and "{}:{}".format(*https.getsockname()),
            "metrics_url": urls.get(Part.SENDER),
            "reconciler_metrics_url": urls.get(Part.RECONCILER),
            "checker_metrics_url": urls.get(Part.CHECKER),
        }
    )
    announcement = state_dir() / SERVE
    if serving() is None:
        files.write(announcement, announced, mode=files.PRIVATE)
    return announced


def _withdraw(announced: str) -> None:
    announcement = state_dir() / SERVE
    with suppress(FileNotFoundError):
        if announcement.read_text() == announced:
            announcement.unlink()


def prepare(parts: Collection[Part]) -> None:
    """Start the embedded servers that are needed, and check that the database is of this version.

    Separate from `main`, whose long-running process does not load the database's client.
    """
    settings = Settings.read(state_dir())
    dsn = embedded.database_dsn(settings)
    if _use_redis(parts):
        embedded.redis_url(settings)
    _require_schema(settings, dsn, ROLES[next(iter(parts))][0])


async def _keep_servers(settings: Settings, parts: Collection[Part]) -> None:
    """Restart the embedded servers that these parts use when they die."""
    postgres, valkey = embedded.servers()
    used: list[Postgres | Valkey] = [postgres] if settings.database.dsn is None else []
    if settings.redis.url is None and _use_redis(parts):
        used.append(valkey)
    await keep_running(used)


def _use_redis(parts: Collection[Part]) -> bool:
    return Part.SENDER in parts or Part.API in parts


def _require_schema(settings: Settings, dsn: str, role: Role) -> None:
    import psycopg

    password = settings.database.passwords()[role].get_secret_value()
    try:
        with psycopg.connect(
            without_login(dsn),
            user=role_name(settings.platform.installation, role),
            password=password,
            **connection_options("penguin-serve"),
        ) as connection:
            connection.execute(SQL.check_schema)
    except psycopg.Error as error:
        reason = first_line(error)
        unreachable = isinstance(error, psycopg.OperationalError)
        if unreachable and not any(sign in str(error) for sign in NOT_UPGRADED):
            raise DATABASE_UNAVAILABLE(reason=reason) from None
        raise DATABASE_NOT_UPGRADED(reason=reason) from None


if __name__ == "__main__":
    main([Part(name) for name in sys.argv[1:]])
