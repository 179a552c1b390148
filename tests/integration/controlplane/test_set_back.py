"""A database that was set back in place is noticed by what others know."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from controlplane.ansible.faults import SUPERSEDED
from controlplane.database import CONTROLLER, Database
from controlplane.reconciler.high_water_mark import SETTLED_SECONDS, HighWaterMark
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]


class MemoryLedger:
    """A purchase journal of one database."""

    def __init__(self) -> None:
        self.id = "1d5c"
        self.unbound: list[str] = []

    def identity(self) -> str:
        return self.id

    def unbind(self, why: str) -> None:
        self.unbound.append(why)


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def set_back(database: Database, token: int) -> None:
    """Let the next token be the one after `token`, as it was at the time of a snapshot."""
    async with database.begin(CONTROLLER) as connection:
        await connection.execute(text("select setval('oltp.fencing', :token)"), {"token": token})


@pytest.mark.parametrize("restarts", [False, True])
async def test_token_that_was_given_out_before_lets_nothing_be_bought(
    stepped: SteppedReconciler, tmp_path: Path, restarts: bool
) -> None:
    time, file, ledger = Time(), tmp_path / "k3f9a.token", MemoryLedger()
    stepped.high_water_mark = HighWaterMark(ledger, file, clock=time)
    await stepped.apply()
    for _ in range(3):
        time.now += SETTLED_SECONDS
        stepped.clock.advance(minutes=11)
        assert await stepped.step()
    assert ledger.unbound == []
    if restarts:
        stepped.high_water_mark = HighWaterMark(ledger, file, clock=time)
    time.now += SETTLED_SECONDS
    await set_back(stepped.database, 1)
    stepped.clock.advance(minutes=11)
    reconciler = stepped.reconciler()
    taken = await reconciler.take("test")
    assert taken is not None
    [why] = ledger.unbound
    assert f"token {taken.lease.token}" in why


async def test_tokens_of_the_last_seconds_before_a_crash_prove_nothing(
    stepped: SteppedReconciler,
) -> None:
    """They may be lost by a server that does not wait for its disk."""
    time, ledger = Time(), MemoryLedger()
    stepped.high_water_mark = HighWaterMark(ledger, clock=time)
    await stepped.apply()
    for _ in range(3):
        time.now += SETTLED_SECONDS / 4
        stepped.clock.advance(minutes=11)
        assert await stepped.step()
    await set_back(stepped.database, 1)
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert ledger.unbound == []


async def test_tokens_of_a_database_that_was_made_since_prove_nothing(
    stepped: SteppedReconciler, tmp_path: Path
) -> None:
    file, ledger = tmp_path / "k3f9a.token", MemoryLedger()
    file.write_text(f"{ledger.id} 1000000\n")
    ledger.id = "77aa"
    stepped.high_water_mark = HighWaterMark(ledger, file)
    await stepped.apply()
    assert await stepped.step()
    assert ledger.unbound == []


def test_tokens_that_were_asked_for_before_the_database_was_known_prove_nothing(
    tmp_path: Path,
) -> None:
    """Several workers begin at once."""
    file, ledger = tmp_path / "k3f9a.token", MemoryLedger()
    file.write_text("77aa 1000000\n")
    mark = HighWaterMark(ledger, file)
    asked = [(token, mark.floor) for token in (1, 2, 3)]
    for token, floor in asked:
        mark.note(token, floor)
    assert ledger.unbound == []


async def test_host_with_a_later_token_than_the_last_lease_shows_it(
    stepped: SteppedReconciler,
) -> None:
    ledger = MemoryLedger()
    stepped.high_water_mark = HighWaterMark(ledger)
    await set_back(stepped.database, 1000)
    await stepped.apply()
    assert await stepped.step()
    stepped.clock.advance(minutes=11)
    await set_back(stepped.database, 1)
    stepped.configurator.playbooks = "of a later version"
    await stepped.step()
    [why] = ledger.unbound
    assert "host/mx1" in why


async def test_host_that_a_later_lease_works_on_shows_nothing(stepped: SteppedReconciler) -> None:
    ledger = MemoryLedger()
    stepped.high_water_mark = HighWaterMark(ledger)
    await stepped.apply()
    stepped.configurator.fail_next("mx1", SUPERSEDED(where="host/mx1"))

    async def take() -> None:
        await stepped.end_leases()
        assert await stepped.reconciler().take("another") is not None

    stepped.meanwhile("first contact with mx1", take)
    await stepped.step()
    assert ledger.unbound == []
