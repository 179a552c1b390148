"""A purchase killed at any line is made once or reported to an operator, never made twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import SecretStr

from hostwinds import journal as journal_package
from hostwinds import purchase
from hostwinds.client import Client
from hostwinds.faults import PURCHASE_AMBIGUOUS
from hostwinds.journal.file import FileJournal
from hostwinds.limiter import FileLimiter, Pace
from hostwinds.purchase import Buyer, Deadlines, Order
from kit.faults import Fault
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app
from lab.memory import MemoryMachines, MemoryNameserver
from tests.integration.hostwinds.conftest import KEY, Clock
from tests.support.emulator import Emulator
from tests.support.points import Killed

TRACED_PATHS = (str(purchase.__file__), str(Path(str(journal_package.__file__)).parent))


def killed(tried: set[tuple[str, int]], act: Callable[[], object]) -> bool:
    """Call `act`, killed at the first line not in `tried`; return whether it was killed."""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        position = frame.f_code.co_filename, frame.f_lineno
        if not position[0].startswith(TRACED_PATHS):
            return None
        if event == "line" and position not in tried:
            tried.add(position)
            raise Killed
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    except Killed:
        return True
    finally:
        sys.settrace(before)
    return False


def test_killed_at_every_line(tmp_path: Path, emulator: Emulator) -> None:
    clock, start = Clock(), datetime.now(UTC)
    limiter = FileLimiter(tmp_path / "limiter", Pace(1000))
    client = Client(f"{emulator.url}/cloud/api.php", SecretStr(KEY), limiter)

    def now() -> datetime:
        return start + timedelta(seconds=clock.now)

    tried: set[tuple[str, int]] = set()
    outcomes: set[int] = set()
    was_killed, number = True, 0
    while was_killed:
        number += 1
        name = f"acme-mx{number}"
        hostwinds_account = HostwindsAccount(
            MemoryMachines(), MemoryNameserver(), KEY, clock=clock, show_after=90
        )
        emulator.app = create_app(hostwinds_account)
        journal = FileJournal(tmp_path / f"{name}.json", clock=now)
        buyer = Buyer(client, journal, Deadlines(), clock=now, pause=clock.pause)
        order = Order(name, 1, 2048, 50, "Seattle", "Debian 13")

        journal.agree(name, 999)

        def buy(buyer: Buyer = buyer, order: Order = order) -> object:
            return buyer.instance(order, lambda _: None)

        was_killed = killed(tried, buy)
        bought = 1
        try:
            buy()
        except Fault as fault:
            if fault.code is not PURCHASE_AMBIGUOUS:
                raise
            bought = 0
        assert [entry["what"] for entry in hostwinds_account.ledger].count(name) == bought
        outcomes.add(bought)
        hostwinds_account.close()
    client.close()
    assert len(tried) > 50
    assert outcomes == {0, 1}  # 0: killed right before the order, which an operator has to settle
