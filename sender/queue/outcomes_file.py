"""Outcomes that workers had in hand when they had to end without a database, one a line.

Each stop writes a file of its own beside the path of the setting, whole or not at all, so that
several workers may share the path.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import structlog

from kit import files
from sender.queue.model import Intent, Job, Outcome, Result, State

SUFFIX = "." + 32 * "[0-9a-f]"
DAMAGED = ".damaged"
"""Ends the name of a file with lines that could not be read; it is left to people."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Kept:
    """What was found at a start."""

    results: list[Result] = field(default_factory=list)
    whole: list[Path] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)
    """Some of their lines could not be read."""

    def settle(self) -> None:
        """Read these files no more: the results are in the database."""
        for file in self.whole:
            file.unlink(missing_ok=True)
        for file in self.damaged:
            with suppress(FileNotFoundError):  # another worker has read it, too
                file.rename(file.with_name(file.name + DAMAGED))


def save(path: Path, results: Sequence[Result]) -> Path:
    """Write results into a new file; when this returns, they survive a power cut."""
    file = path.with_name(f"{path.name}.{uuid4().hex}")
    lines = "".join(f"{json.dumps(_row(one), default=str)}\n" for one in results)
    files.create(file, lines, mode=files.PRIVATE)
    return file


def load(path: Path) -> Kept:
    """Return the results of all files; what cannot be read is left out."""
    kept, found = Kept(), {}
    for file in _files(path):
        try:
            lines = file.read_bytes().splitlines()
        except OSError:
            log.exception("queue.outcomes_unreadable", file=str(file))
            continue
        results = list(_results(file, lines))
        found.update({(one.job.id, one.job.token): one for one in results})
        (kept.whole if len(results) == len(lines) else kept.damaged).append(file)
    kept.results.extend(found.values())
    return kept


def _files(path: Path) -> list[Path]:
    """Return the files of all stops, and the one that versions before wrote."""
    return [path] * path.exists() + sorted(path.parent.glob(glob.escape(path.name) + SUFFIX))


def _results(file: Path, lines: Sequence[bytes]) -> Iterator[Result]:
    for number, line in enumerate(lines, 1):
        try:
            yield _result(json.loads(line))
        except Exception:  # whatever is in it, the others are read
            log.exception("queue.outcome_unreadable", file=str(file), line=number)


def _row(result: Result) -> dict[str, Any]:
    job, outcome, intent = result.job, result.outcome, result.intent
    return {
        "id": str(job.id),
        "tenant_id": str(job.tenant_id),
        "bucket_id": job.bucket_id,
        "token": job.token,
        "attempts": job.attempts,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "words": outcome.words,
        "delay": outcome.delay.total_seconds(),
        "spent": outcome.spent,
        "bucket": outcome.bucket,
        "note": outcome.note,
        "life": outcome.life and outcome.life.total_seconds(),
        "data": outcome.data,
        "intent": None if intent is None else {"note": intent.note, "data": intent.data},
    }


def _result(row: dict[str, Any]) -> Result:
    job = Job(
        UUID(row["id"]),
        UUID(row["tenant_id"]),
        row["bucket_id"],
        row["token"],
        row["attempts"],
        b"",
    )
    outcome = Outcome(
        State(row["state"]),
        row["reason"],
        row["words"],
        timedelta(seconds=row["delay"]),
        row["spent"],
        row["bucket"],
        row["note"],
        row["life"] and timedelta(seconds=row["life"]),
        row["data"],
    )
    intent = row["intent"]
    return Result(job, outcome, intent and Intent(job, intent["note"], intent["data"]))
