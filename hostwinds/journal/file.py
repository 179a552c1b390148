"""The journal in one JSON file: for an emulated provider, where a second one costs nothing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hostwinds.faults import JOURNAL_UNAVAILABLE, SUPERSEDED
from hostwinds.journal.port import Freeze, Frozen, Hold, Intent, Permit, assigned, is_ordered
from kit import files
from kit.faults import Fault
from kit.locks import locked


class FileJournal:
    """Rewrites the whole file under a lock; every method returns after a sync."""

    def __init__(
        self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._clock = clock

    def identity(self) -> str:
        """Return the id of this journal."""
        with self._transaction() as content:
            return str(content.setdefault("id", str(uuid.uuid4())))

    def now(self) -> datetime:
        """Return the time of this machine, which is the only one."""
        return self._clock()

    def replace(self, identity: str) -> None:
        """Take the id of a journal that is lost."""
        with self._transaction() as content:
            content["id"] = identity

    def require_bound(self) -> None:
        """Do nothing: a file belongs to no database."""

    def bind(self) -> None:
        """Do nothing."""

    def unbind(self, why: str) -> None:
        """Do nothing."""

    def leave(self, service_ids: Collection[int]) -> None:
        """Do nothing."""

    def left(self) -> set[int]:
        """Return nothing."""
        return set()

    def bound_at(self) -> None:
        """Return None."""

    def agree(self, key: str, cents: int, owner: str = "") -> int:
        """Write the price of a purchase that is not ordered yet."""
        with self._transaction() as content:
            entry = content["intents"].setdefault(key, self._entry(ordered=False))
            entry["owner"] = entry.get("owner") or owner
            if not entry.get("ordered", True):
                entry["agreed_cents"] = max(cents, entry.get("agreed_cents") or 0)
            agreed = entry.get("agreed_cents")
            return cents if agreed is None else int(agreed)

    def agreed(self, key: str) -> int | None:
        """Return the price that was agreed to."""
        entry = self._read()["intents"].get(key)
        return _intent(key, entry).agreed_cents if entry else None

    def open(
        self, key: str, *, ceiling: int | None = None, permit: Permit | None = None
    ) -> tuple[Intent, bool]:
        """Write an intent to order, or return the existing one."""
        with self._transaction() as content:
            if permit is not None and not is_ordered(key, rows := _ledger(content)):
                permit(rows, (), self._clock())  # no control plane writes limits into a file
            entry = content["intents"].setdefault(key, self._entry(ordered=False))
            new = not entry.get("ordered", True)
            if new:
                entry.update(self._entry(ordered=True), ceiling_cents=ceiling)
            return _intent(key, entry), new

    def find(self, key: str) -> Intent | None:
        """Return an intent to order."""
        entry = self._read()["intents"].get(key)
        intent = _intent(key, entry) if entry else None
        return intent if intent is not None and intent.ordered else None

    def intents(self) -> list[Intent]:
        """List all intents to order, oldest first."""
        return [row for row in self.ledger() if row.ordered and row.closed_at is None]

    def waiting(self) -> list[Intent]:
        """List the intents to order without an outcome, oldest first."""
        return [intent for intent in self.intents() if intent.outcome is None]

    def ledger(self) -> list[Intent]:
        """List every row, oldest first."""
        return _ledger(self._read())

    def answer(self, key: str, text: str) -> None:
        """Write what the provider said."""
        with self._transaction() as content:
            if key in content["intents"]:
                content["intents"][key]["answer"] = text

    def settle(self, key: str, outcome: str, account: str = "") -> None:
        """Write the outcome of an intent."""
        with self._transaction() as content:
            entry = content["intents"].setdefault(key, self._entry(ordered=True))
            entry.update(outcome=outcome, ordered=True, account=account or entry.get("account", ""))

    def begin_end(self, key: str) -> None:
        """Date that the end of a server was accepted."""
        with self._transaction() as content:
            if entry := content["intents"].get(key):
                entry.setdefault("ending_at", self._clock().isoformat())

    def close(self, key: str) -> None:
        """Date the end of a row."""
        with self._transaction() as content:
            if entry := content["intents"].pop(key, None):
                closed = {**entry, "closed_at": self._clock().isoformat()}
                content.setdefault("closed", []).append([key, closed])

    def adopt(self, group: str, key: str, candidates: Sequence[str]) -> str | None:
        """Assign a free candidate to an open intent of a group."""
        with self._transaction() as content:
            intents = content["intents"]
            if intents[key]["outcome"]:
                return str(intents[key]["outcome"])
            waiting = [k for k, e in intents.items() if _is_in(group, k) and not e["outcome"]]
            owned = [entry["outcome"] for entry in intents.values() if entry["outcome"]]
            chosen = assigned(waiting, owned, candidates).get(key)
            if chosen is not None:
                intents[key]["outcome"] = chosen
            return chosen

    def adopted(self, group: str) -> list[str]:
        """List the outcomes of the settled intents of a group."""
        intents = self._read()["intents"].items()
        return [e["outcome"] for k, e in intents if _is_in(group, k) and e["outcome"]]

    def frozen(self, what: Frozen) -> Freeze | None:
        """Return None: no control plane writes into a file."""

    def raise_fence(self, name: str, token: int) -> None:
        """Refuse changes for `name` under a lower token, once no one holds the fence."""
        with self._locked_fence(name), self._transaction() as content:
            if token < content["fences"].get(name, 0):
                raise SUPERSEDED(name=name)
            content["fences"][name] = token

    @contextmanager
    def hold(self, name: str, token: int) -> Iterator[Hold]:
        """Keep the fence from being raised."""
        with self._locked_fence(name, shared=True):
            if token < self.fence(name):
                raise SUPERSEDED(name=name)
            yield _Hold()

    @contextmanager
    def _locked_fence(self, name: str, *, shared: bool = False) -> Iterator[None]:
        lock = self._path.with_name(f"{self._path.name}.{quote(name, safe='')}.lock")
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(lock, shared=shared))
            except OSError as error:
                raise self._unavailable(error.strerror) from None
            yield

    def fence(self, name: str) -> int:
        """Return the highest token that was raised for `name`."""
        return int(self._read()["fences"].get(name, 0))

    def _entry(self, *, ordered: bool) -> dict[str, Any]:
        return {"opened_at": self._clock().isoformat(), "outcome": None, "ordered": ordered}

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return {"intents": {}, "fences": {}}
        except OSError as error:
            raise self._unavailable(error.strerror) from None
        except ValueError:
            raise self._unavailable("it is damaged; repair it or restore a copy") from None

    @contextmanager
    def _transaction(self) -> Iterator[dict[str, Any]]:
        """Yield the content under the lock and write it back, unless the block raises."""
        try:
            with locked(self._path.with_name(f"{self._path.name}.lock")):
                content = self._read()
                yield content
                files.write(self._path, json.dumps(content, indent=1))
        except OSError as error:
            raise self._unavailable(error.strerror) from None

    def _unavailable(self, reason: str | None) -> Fault:
        return JOURNAL_UNAVAILABLE(location=self._path, reason=reason)


def _ledger(content: dict[str, Any]) -> list[Intent]:
    rows = [*content["intents"].items(), *content.get("closed", ())]
    intents = [_intent(key, entry) for key, entry in rows]
    return sorted(intents, key=lambda intent: (intent.opened_at, intent.key))


class _Hold:
    """A lock of the kernel: it is held as long as the process has it."""

    def check(self) -> None:
        """Do nothing."""


def _is_in(group: str, key: str) -> bool:
    return key.startswith(f"{group}/")


def _intent(key: str, entry: dict[str, Any]) -> Intent:
    dates = {name: entry.get(name) for name in ("opened_at", "closed_at", "ending_at")}
    read = {name: value and datetime.fromisoformat(value) for name, value in dates.items()}
    return Intent(key=key, **{**entry, **read})
