"""Conditions, operations and events at the end of a page."""

from __future__ import annotations

from collections.abc import Sequence

from cli.conditions import Types
from cli.events import sentence
from cli.terminal import wrapped
from cli.times import moment
from controlplane.events.schemas import EventView
from controlplane.operations.schemas import OperationView
from controlplane.tenants.schemas import ConditionView


def show_conditions(types: Types, conditions: Sequence[ConditionView], *, everything: bool) -> None:
    """Print conditions by subject."""
    print("\nConditions")
    if not conditions:
        print("  none yet: no reconcile pass has run (is `penguin serve` running?)")
    for line in types.page(conditions, everything=everything):
        print(line)


def show_operations(operations: Sequence[OperationView]) -> None:
    """Print the latest operations with their outcomes."""
    if not operations:
        return
    print("\nOperations, newest first")
    for operation in operations:
        outcome = operation.outcome or f"running: {operation.progress}".rstrip(": ")
        text = f"{operation.phase} {operation.kind}: {outcome}"
        if operation.error_code:
            text += f": {operation.error_code}: {operation.error_message}"
        print(wrapped(text, first=f"  {moment(operation.started_at)}  ", indent=" " * 6))


def show_events(events: Sequence[EventView], *, with_subject: bool = True) -> None:
    """Print the latest events."""
    if not events:
        return
    print("\nEvents, newest last")
    for event in events:
        text = sentence(event, with_subject=with_subject)
        print(wrapped(text, first=f"  {moment(event.at)}  ", indent=" " * 6))
