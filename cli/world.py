"""The world of this checkout: embedded servers and lab together, and what programs need of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg

from hostwinds import VERSION as HOSTWINDS_VERSION
from hostwinds.plugin import write_launcher
from lab import control
from lab.place import LabPlace, required, running
from tools.places import state_dir
from tools.pulumi import engine
from tools.servers import Postgres, Valkey

DATABASES = ("penguin", "penguin_state")
"""The control plane's, and Pulumi's state."""

Progress = Callable[[str], None]


def lab_dir() -> Path:
    """Return the directory of this checkout's lab."""
    return state_dir() / "lab"


def servers() -> tuple[Postgres, Valkey]:
    """Return the embedded servers of this checkout."""
    return Postgres(state_dir() / "postgres"), Valkey(state_dir() / "valkey")


def start_servers() -> None:
    """Start both servers and make our databases where they are missing."""
    postgres, valkey = servers()
    postgres.start()
    valkey.start()
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        for name in DATABASES:
            known = admin.execute("select 1 from pg_database where datname = %s", [name])
            if known.fetchone() is None:
                admin.execute(f"create database {name}")


def stop_servers() -> None:
    """Stop both servers; their data stays."""
    for server in servers():
        server.stop()


def start_lab(progress: Progress, missing: str | None) -> LabPlace:
    """Start or join the lab; it shares the purchase journal with whoever buys."""
    return control.start(lab_dir(), journal_environment(), progress, missing=missing)


def journal_environment() -> dict[str, str]:
    """Return where the purchase journal is: the embedded database when it runs, else a file."""
    postgres, _ = servers()
    if postgres.pid() is not None:
        return {"HOSTWINDS_JOURNAL": postgres.dsn("penguin")}
    return {"HOSTWINDS_JOURNAL": str(lab_dir() / "journal.json")}


def environment() -> dict[str, str]:
    """Return all variables that `pulumi` and `penguin` need in a shell, secrets included."""
    place = required(lab_dir())
    postgres, _ = servers()
    plugin = write_launcher(state_dir() / "engine" / "plugins")
    found = engine.find().environment(
        state_dir() / "pulumi", {"hostwinds": (HOSTWINDS_VERSION, plugin)}
    )
    passphrase = state_dir() / "pulumi" / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)  # outputs hold no secret, so nothing is encrypted by it
    backend = f"{postgres.dsn('penguin_state')}?sslmode=disable"
    path = os.pathsep.join((str(Path(sys.executable).parent), found["PATH"]))
    return {
        **found,
        "PATH": path,
        "PULUMI_BACKEND_URL": backend.replace("postgresql://", "postgres://"),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        **journal_environment(),
        **place.environment(),
    }


def is_up() -> bool:
    """Tell whether the world of this checkout runs."""
    return running(lab_dir()) is not None
