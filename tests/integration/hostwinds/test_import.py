"""`pulumi import` of a server reads what an order of it would have said."""

from __future__ import annotations

import pytest

from hostwinds.client import Client
from hostwinds.journal import Journal
from hostwinds.provider.resources import Instance, Services
from hostwinds.purchase import Buyer, Deadlines
from lab.hostwinds.account import HostwindsAccount


@pytest.mark.parametrize("unit", ["GB", "MB"])
def test_imported_server_has_its_size_in_our_units(
    hostwinds_account: HostwindsAccount, client: Client, server: int, journal: Journal, unit: str
) -> None:
    hostwinds_account.switchboard.change({"size_unit": unit})
    services = Services(client, Buyer(client, journal, Deadlines()), lambda _: None)
    imported = Instance().read(str(server), {}, services)
    assert imported is not None
    expected = {"cpu": 1, "ramMb": 2048, "diskGb": 50, "firewallProfile": "default"}
    assert imported[0].items() >= expected.items()
