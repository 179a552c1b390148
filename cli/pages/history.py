"""Conditions, operations and events at the end of a page."""

from __future__ import annotations

from typing import Any

from cli.conditions import Types
from cli.terminal import wrapped
from cli.times import moment

Document = dict[str, Any]


def show_conditions(types: Types, found: list[Document], *, everything: bool) -> None:
    """Print conditions by subject."""
    print("\nConditions")
    if not found:
        print("  none yet: no reconcile pass has run (does `penguin serve` run?)")
    for line in types.page(found, everything=everything):
        print(line)


def show_operations(operations: list[Document]) -> None:
    """Print the latest operations with how they ended."""
    if not operations:
        return
    print("\nOperations, newest first")
    for operation in operations:
        error = operation["error_code"]
        outcome = operation["outcome"] or f"running: {operation['progress']}".rstrip(": ")
        text = f"{operation['phase']} {operation['kind']}: {outcome}"
        if error:
            text += f": {error}: {operation['error_message']}"
        print(wrapped(text, first=f"  {moment(operation['started_at'])}  ", indent=" " * 6))


def show_events(found: list[Document], *, with_subject: bool = True) -> None:
    """Print the latest events."""
    if not found:
        return
    print("\nEvents, newest last")
    for event in found:
        subject = f"{event['subject']} " if with_subject else ""
        text = f"{subject}{event['kind']} {event['reason']}"
        if event["message"]:
            text += f": {event['message']}"
        print(wrapped(text, first=f"  {moment(event['at'])}  ", indent=" " * 6))
