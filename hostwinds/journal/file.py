"""The journal in one JSON file: for `pulumi up` by hand without a control plane."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hostwinds.faults import JOURNAL_UNAVAILABLE
from hostwinds.journal.port import Intent, assigned
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

    def open(self, key: str) -> tuple[Intent, bool]:
        """Write an intent, or return the existing one."""
        with self._transaction() as content:
            new = key not in content["intents"]
            if new:
                content["intents"][key] = {"opened_at": self._clock().isoformat(), "outcome": None}
            return _intent(key, content["intents"][key]), new

    def find(self, key: str) -> Intent | None:
        """Return an intent."""
        entry = self._read()["intents"].get(key)
        return _intent(key, entry) if entry else None

    def intents(self) -> list[Intent]:
        """List all intents, oldest first."""
        intents = [_intent(key, entry) for key, entry in self._read()["intents"].items()]
        return sorted(intents, key=lambda intent: intent.opened_at)

    def waiting(self) -> list[Intent]:
        """List the intents without an outcome, oldest first."""
        return [intent for intent in self.intents() if intent.outcome is None]

    def settle(self, key: str, outcome: str) -> None:
        """Write the outcome of an intent."""
        with self._transaction() as content:
            fresh = {"opened_at": self._clock().isoformat()}
            content["intents"].setdefault(key, fresh)["outcome"] = outcome

    def close(self, key: str) -> None:
        """Delete an intent."""
        with self._transaction() as content:
            content["intents"].pop(key, None)

    def adopt(self, group: str, key: str, candidates: Sequence[str]) -> str | None:
        """Assign a free candidate to an open intent of a group."""
        with self._transaction() as content:
            group_intents = {
                k: e for k, e in content["intents"].items() if k.startswith(f"{group}/")
            }
            if group_intents[key]["outcome"]:
                return str(group_intents[key]["outcome"])
            waiting = [k for k, entry in group_intents.items() if not entry["outcome"]]
            owned = [entry["outcome"] for entry in group_intents.values() if entry["outcome"]]
            chosen = assigned(waiting, owned, candidates).get(key)
            if chosen is not None:
                content["intents"][key]["outcome"] = chosen
            return chosen

    def adopted(self, group: str) -> list[str]:
        """List the outcomes of the settled intents of a group."""
        intents = self._read()["intents"].items()
        return [e["outcome"] for k, e in intents if k.startswith(f"{group}/") and e["outcome"]]

    def raise_fence(self, name: str, token: int) -> None:
        """Refuse purchases for `name` under a lower token from now on."""
        with self._transaction() as content:
            content["fences"][name] = max(token, content["fences"].get(name, 0))

    def fence(self, name: str) -> int:
        """Return the highest token that was raised for `name`."""
        return int(self._read()["fences"].get(name, 0))

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


def _intent(key: str, entry: dict[str, Any]) -> Intent:
    return Intent(key, datetime.fromisoformat(entry["opened_at"]), entry["outcome"])
