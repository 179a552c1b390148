"""Both emulated accounts with faults by chance, and what was bought and ended in their order."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

from lab.cloudflare.account import FAULTS as CLOUDFLARE_FAULTS
from lab.hostwinds.account import HostwindsAccount
from lab.injection import Injection

ORDER = frozenset({"add_instance"})
HOSTWINDS: dict[str, tuple[float, frozenset[str]]] = {
    "slow": (0.01, frozenset()),
    "server_error": (0.04, frozenset()),
    "not_json": (0.02, frozenset()),
    "dropped": (0.05, frozenset()),
    "unauthorized": (0.002, frozenset()),
    "odd_read": (0.02, frozenset()),
    "lost_answer": (0.1, frozenset()),
    "odd_change": (0.04, frozenset()),
    "odd_done": (0.04, frozenset()),
    "no_effect": (0.05, frozenset({"terminate", "delete_ip"})),
    "payment_refused": (0.06, ORDER),
    "late_error": (0.06, ORDER),
    "late_unauthorized": (0.02, ORDER),
    "not_delivered": (0.03, ORDER),
    "never_boots": (0.05, ORDER),
}
"""How likely a call fails in which way, and the actions that do; empty: all. Of changes that order
nothing 30 % do. The setting `odd_body` is one of its documented values."""
CLOUDFLARE = {
    "dropped": 0.06,
    "initializing": 0.1,
    "lost_answer": 0.1,
    "old_wrapper": 0.5,
    "out_of_reach": 0.002,
    "rate_limited": 0.04,
    "read_error": 0.03,
    "refused_with_200": 0.02,
    "server_error": 0.06,
    "slow": 0.01,
}
"""Of changes 29 % fail; `old_wrapper` is a form of refusals."""


class Chance:
    """Whether something happens, repeatably for one thread; nothing does before `begin`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable
        self._lock = threading.Lock()
        self._factor = 0.0
        self.happened = 0

    def begin(self, factor: float = 1.0) -> None:
        """Let things happen, `factor` times as often as their probability says; 0 ends it."""
        self._factor = factor

    def __call__(self, probability: float) -> bool:
        with self._lock:
            happens = self._random.random() < probability * self._factor
            self.happened += happens
            return happens


class Account(HostwindsAccount):
    """The account, which writes its history into a file: what was declared, bought and ended."""

    def __init__(self, *arguments: Any, chance: Chance, history: Path, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._chance = chance
        self._history = history

    def fails(self, fault: str, action: str) -> bool:
        """Tell whether a call fails this way, because it is to or by chance."""
        probability, actions = HOSTWINDS.get(fault, (0.0, frozenset()))
        concerned = not actions or action in actions
        return super().fails(fault, action) or (concerned and self._chance(probability))

    def order(self, name: str, *others: Any, **named: Any) -> int:
        """Sell a server."""
        with self._lock:
            number = super().order(name, *others, **named)
            if number in self._servers:
                self.note("bought", id=number, name=name)
            return number

    def end(self, service_id: int, *, event: str = "ended") -> None:
        """End a server."""
        with self._lock:
            if service_id in self._servers:
                self.note(event, id=service_id, name=self._servers[service_id].srvrname)
        super().end(service_id)

    def note(self, event: str, **what: object) -> None:
        """Write an event into the history."""
        with self._lock, self._history.open("a") as file:
            file.write(json.dumps({"event": event, **what}) + "\n")


class ChanceFaults(Injection):
    """Faults of Cloudflare's API, by chance too."""

    def __init__(self, chance: Chance) -> None:
        super().__init__(*CLOUDFLARE_FAULTS)
        self._chance = chance

    def consume(self, name: str) -> bool:
        """Tell whether a request fails this way."""
        return super().consume(name) or self._chance(CLOUDFLARE.get(name, 0.0))
