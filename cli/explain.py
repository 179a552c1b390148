"""`penguin explain`: what became of a message, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.api import connect
from cli.output import Format, OutputOption, print_document, print_rows, shown

app = typer.Typer()
SHOWN = ("address", "ip", "helo", "queue_id", "reply", "attempt", "until", "return_path")
"""Facts behind a decision, in the order in which people ask for them."""


@app.command()
def explain(
    message: Annotated[str, typer.Argument(help="id of the message, or its Message-ID header")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Say what became of a message, and why."""
    found = connect().explain(message)
    if output is not Format.TABLE:
        print_document(found, output)
        return
    _head(found["message"])
    rows = [_row(decision) for decision in found["decisions"]]
    print_rows(rows, ("at", "state", "reason", "what", "facts"), output)


def _head(message: dict[str, Any]) -> None:
    reason = f" ({message['reason']})" if message["reason"] else ""
    print(f"{message['id']} is {message['state']}{reason}")
    print(shown(f"  from {message['from']} to {message['to']}: {message['subject']}"))
    print(f"  {message['message_id']}, priority {message['priority']}")
    if message["address"]:
        queue_id = f", there queued as {message['queue_id']}" if message["queue_id"] else ""
        print(f"  by {message['address']}{queue_id}, attempts: {message['attempts']}")
    print()


def _row(decision: dict[str, Any]) -> dict[str, Any]:
    details = decision["details"]
    facts = [f"{name}={details[name]}" for name in SHOWN if details.get(name) is not None]
    return {
        "at": decision["at"][11:23],
        "state": decision["state"],
        "reason": decision["reason"],
        "what": decision["message"],
        "facts": " ".join(facts),
    }
