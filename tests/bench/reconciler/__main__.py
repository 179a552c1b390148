"""Runs all measurements, prints them, and stores them in build/bench.json."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from controlplane.migrations import upgrade
from kit.paths import state_dir
from tests.bench.figures import Figure, store
from tests.bench.reconciler import measuring
from tests.bench.reconciler.counting import sequential_scans
from tests.bench.reconciler.world import World
from tests.support.installation import INSTALLATION, PASSWORDS
from tools.servers import Postgres

TENANTS = 10_000
DATABASE = "penguin"


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(prog="make bench-reconciler")
    parser.add_argument("--tenants", type=int, default=TENANTS)
    parser.add_argument("--seconds", type=float, default=measuring.SECONDS)
    parser.add_argument("--burst", type=int, default=measuring.BURST)
    arguments = parser.parse_args()
    with _database() as (dsn, root):
        figures = asyncio.run(_measure(dsn, root, arguments))
    store(figures, "reconciler")


async def _measure(dsn: str, root: Path, arguments: argparse.Namespace) -> list[Figure]:
    with psycopg.connect(dsn, autocommit=True) as admin:  # for sessions of the preparation only
        admin.execute(f"alter database {DATABASE} set synchronous_commit = off")
    world, began = World(dsn, root, arguments.tenants), time.monotonic()
    await world.settle(lambda said: print(f"{time.monotonic() - began:7.1f} s  {said}", flush=True))
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"alter database {DATABASE} reset synchronous_commit")
        admin.execute("analyze")
        admin.execute("checkpoint")
    await world.database.close()
    figures = _shown([Figure("reconciler: tenants", len(world.names), "")])
    figures += _shown(await measuring.unchanged(world))
    scanned = await _read_as_a_whole(world, dsn)
    print(f"tables read as a whole: {scanned or 'none'}")
    figures += _shown(
        [Figure("reconciler: tables read as a whole", len(scanned), "", "goal of none")]
    )
    figures += _shown(await measuring.sweep(world))
    (root / "mail").mkdir()
    figures += _shown(await measuring.checks(world, root / "mail"))
    figures += _shown(await measuring.changes(world, arguments.seconds, arguments.burst))
    await world.database.close()
    return figures


def _shown(figures: list[Figure]) -> list[Figure]:
    """Print figures as soon as they are measured, since all take long, and return them."""
    for figure in figures:
        compared = f"  {figure.ratio:.2f} of {figure.peer}" if figure.ratio is not None else ""
        print(f"{figure.name:<60} {figure.value:>9.3f} {figure.unit}{compared}", flush=True)
    return figures


async def _read_as_a_whole(world: World, dsn: str) -> list[str]:
    """Return the tables that regular passes read so."""
    await world.request(world.names)
    await world.database.close()  # what a session has counted is seen when it has ended
    before = sequential_scans(dsn, len(world.names))
    await world.until_nothing_is_due()
    await world.database.close()
    after = sequential_scans(dsn, len(world.names))
    return [name for name in before if after[name] > before[name]]


@contextmanager
def _database() -> Iterator[tuple[str, Path]]:
    """Yield the superuser's URL of a new database, and a directory that is removed at the end."""
    root = state_dir() / "bench-reconciler"
    postgres = Postgres(root / "postgres")
    postgres.stop()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    try:
        postgres.start()
        with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
            admin.execute(f"create database {DATABASE}")
        dsn = postgres.dsn(DATABASE)
        upgrade(dsn, INSTALLATION, PASSWORDS)
        yield dsn, root
    finally:
        postgres.stop()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
