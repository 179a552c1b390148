"""The embedded PostgreSQL and Valkey of this state directory, used where no others are set."""

from __future__ import annotations

from composition.settings import Settings
from kit.database import connection_options
from kit.paths import state_dir
from tools.servers import Postgres, Valkey

CONNECTION = connection_options("penguin-servers")
DATABASE = "penguin"


def servers() -> tuple[Postgres, Valkey]:
    """Return both servers, whether they run or not."""
    return Postgres(state_dir() / "postgres"), Valkey(state_dir() / "valkey")


def start_servers() -> None:
    """Start both servers, and create the database where it is missing."""
    import psycopg  # not needed to stop the servers

    postgres, valkey = servers()
    postgres.start()
    valkey.start()
    with psycopg.connect(postgres.dsn(), autocommit=True, **CONNECTION) as admin:
        exists = admin.execute("select 1 from pg_database where datname = %s", [DATABASE])
        if exists.fetchone() is None:
            admin.execute(f"create database {DATABASE}")


def stop_servers() -> None:
    """Stop both servers; their data stays."""
    for server in servers():
        server.stop()


def database_dsn(settings: Settings) -> str:
    """Return the DSN of the settings, or start the embedded servers and return their own."""
    if settings.database.dsn is not None:
        return settings.database.dsn.get_secret_value()
    start_servers()
    postgres, _ = servers()
    return postgres.dsn(DATABASE)


def redis_url(settings: Settings) -> str:
    """Return the URL of the settings, or start the embedded server and return its own."""
    if settings.redis.url is not None:
        return settings.redis.url.get_secret_value()
    _, valkey = servers()
    valkey.start()
    return valkey.url()
