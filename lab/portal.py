"""Simulates the operator who buys requested addresses in the provider's portal."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from hostwinds.journal import Journal
from kit.faults import Fault
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.errors import ProviderError

PAUSE_SECONDS = 0.3
"""Between two checks of the open requests."""


class PortalOperator:
    """Reads the open requests of the purchase journal, and buys the requested addresses."""

    def __init__(
        self,
        account: HostwindsAccount,
        journal: Callable[[], Journal],
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._account = account
        self._journal = journal
        self._pause_seconds = pause_seconds
        self.automatic = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="portal", daemon=True)

    def start(self) -> None:
        """Begin to check; buys only while `automatic` is set."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the last purchase is done."""
        self._stopping.set()
        self._thread.join()

    def buy_requested(self) -> list[str]:
        """Buy one address for each open request that no free address can serve; return them."""
        bought = []
        for service in set(self._open_requests()):
            free = self._free(service)
            # The requests are counted afterwards: one that is served meanwhile is not bought for.
            for _ in range(self._open_requests()[service] - free):
                bought.append(self._account.attach(service))  # noqa: PERF401 - each costs money
        return bought

    def _open_requests(self) -> Counter[int]:
        """Count the requests that wait for an address, by server."""
        groups = (intent.key.partition("/") for intent in self._journal().waiting())
        return Counter(int(group) for group, slash, _ in groups if slash and group.isdigit())

    def _free(self, service: int) -> int:
        """Count the secondary addresses of a server that no request has adopted yet."""
        try:
            further = self._account.owned(service).further
        except ProviderError:
            return 1 << 16  # the server is gone: nothing is bought for it
        adopted = self._journal().adopted(str(service))
        return len([address for address in further if address not in adopted])

    def _work(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            if self.automatic.is_set():
                # Without a journal there are no requests. A purchase that failed is tried again.
                with suppress(ProviderError, Fault):
                    self.buy_requested()
