"""The emulated operator of the portal buys requested addresses, and retries failed purchases."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.faults import FAILED
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.errors import ProviderError
from lab.portal import PortalOperator
from tests.support.waiting import SECONDS

SERVICE = 721334


class Journal:
    """One request that waits for an address."""

    def waiting(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(key=f"{SERVICE}/mx1-2")]

    def adopted(self, _: str) -> set[str]:
        return set()


class Provider:
    """Raises each of `errors` before it sells an address."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.sold = threading.Event()

    def owned(self, _: int) -> SimpleNamespace:
        return SimpleNamespace(further=[])

    def attach(self, _: int) -> str:
        if self._errors:
            raise self._errors.pop(0)
        self.sold.set()
        return "198.18.1.11"


@pytest.mark.parametrize(
    "error",
    [
        ProviderError(None, "No more addresses."),
        FAILED(part="`ip`", reason="no such namespace"),
    ],
)
def test_purchase_that_failed_is_tried_again(error: Exception) -> None:
    provider = Provider(error, error)
    operator = PortalOperator(
        cast("HostwindsAccount", provider), cast("Any", Journal), pause_seconds=0.001
    )
    operator.automatic.set()
    operator.start()
    assert provider.sold.wait(SECONDS)
    operator.stop()


def test_request_that_is_served_while_they_are_counted_is_not_bought_for() -> None:
    class Served(Journal):
        """Two requests, of which one is served as soon as anything is asked."""

        def __init__(self) -> None:
            self.left = 2

        def waiting(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(key=f"{SERVICE}/mx1-{n}") for n in range(self.left)]

        def adopted(self, _: str) -> set[str]:
            self.left = 1
            return {"198.18.1.11"}

    class Two(Provider):
        def owned(self, _: int) -> SimpleNamespace:
            return SimpleNamespace(further=["198.18.1.11", "198.18.1.12"])

    journal = Served()
    operator = PortalOperator(cast("HostwindsAccount", Two()), cast("Any", lambda: journal))
    assert operator.buy_requested() == []
