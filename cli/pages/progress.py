"""What is done for a tenant now, what it waits for, and when it is looked at next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.times import age, moment
from controlplane.operations.schemas import OperationView
from controlplane.schedule.schemas import NextLook, Pool, Why
from controlplane.todo.schemas import TodoView

WHY = {
    Why.REQUESTED: "requested",
    Why.PLATFORM: "a setting of the platform has changed",
    Why.WOKEN: "what it waits for, or has at its provider, has changed",
    Why.RETRIED: "the last pass has left something unfinished",
    Why.REGULAR: "every tenant is looked at from time to time",
}
SLOTS = {Pool.ENGINE: "runs of the engine", Pool.HOSTS: "work on hosts"}


def rows(
    operations: Sequence[OperationView], todo: Sequence[TodoView], look: NextLook
) -> dict[str, str]:
    """Return titles and values; empty ones are left out."""
    return {
        "Now": "; ".join(_running(operations)),
        "Waits for": "; ".join(f"{each.subject}: {each.remedy} ({each.acts})" for each in todo),
        "Next look": next_look(look),
    }


def next_look(look: NextLook) -> str:
    """Return when a tenant is looked at next, and why."""
    why = WHY[look.why]
    if look.why is Why.RETRIED and look.unfinished_passes > 1:
        why = f"the last {look.unfinished_passes} passes have left something unfinished"
    if look.worker is not None:
        return f"now, by {look.worker}: {why}"
    if look.waits_for is not None:
        return f"when a slot for {SLOTS[look.waits_for]} is free: {why}"
    if look.due_at is None:
        return "when it is requested"
    return f"{moment(look.due_at)}: {why}"


def _running(operations: Sequence[OperationView]) -> Iterator[str]:
    for operation in operations:
        if operation.outcome is None:
            head = f"{operation.phase} {operation.kind} for {age(operation.started_at)}"
            shown = f"{head}: {operation.progress}" if operation.progress else head
            yield f"{shown} (last sign of it {age(operation.heartbeat_at)} ago){_end(operation)}"


def _end(operation: OperationView) -> str:
    """Return that an operation was cancelled; empty where it was not."""
    if operation.cancelled_by is None:
        return ""
    why = f"cancelled by key {operation.cancelled_by}: {operation.cancel_reason}"
    return f"; {why}"
