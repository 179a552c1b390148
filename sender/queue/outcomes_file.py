"""Outcomes that a worker had in hand when it had to end without a database, one a line."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from sender.queue.model import Intent, Job, Outcome, Result, State

log = structlog.get_logger(__name__)


def save(path: Path, results: Sequence[Result]) -> None:
    """Add results to the file; when this returns, they survive a power cut."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(_row(one), default=str)}\n" for one in results)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load(path: Path) -> list[Result]:
    """Return the results of the file, if there is one; a line that was cut off is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    results = []
    for number, line in enumerate(lines, 1):
        try:
            results.append(_result(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            log.exception("queue.outcome_unreadable", file=str(path), line=number)
    return results


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
