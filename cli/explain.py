"""`penguin explain`: show the state of a message, and why."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import typer

from cli.api import connect
from cli.faults import USAGE
from cli.kinds import BY_WORD, MESSAGE
from cli.output import Format, OutputOption, print_document
from cli.states import in_words, reason_in_words
from cli.stop import stop_line
from cli.terminal import printable, wrapped
from cli.times import precise, until
from kit.faults import Actor
from sender.schemas import Decision, Explanation, MessageView, State

app = typer.Typer()
FACTS = {
    "address": "address",
    "ip": "IP",
    "helo": "HELO",
    "queue_id": "queue id",
    "reply": "answer",
    "attempt": "attempt",
    "until": "",
    "return_path": "return path",
}
"""Titles of a decision's details, in the order in which they are printed."""


@app.command()
def explain(
    message: Annotated[str, typer.Argument(help="id of the message, or its Message-ID header")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Show the state of a message, and every decision about it."""
    if re.split("[./]", message)[0] in BY_WORD.keys() - {MESSAGE.name, MESSAGE.plural}:
        raise USAGE(
            mistake=f"{message} is not a message",
            remedy="use `penguin schema tenant` for the fields of a document",
        )
    explanation = connect().explain(message.removeprefix("message/"))
    if output is Format.TABLE:
        show(explanation)
    else:
        print_document(explanation, output)


def show(explanation: Explanation) -> None:
    """Print a message, and every decision about it with its details."""
    message = explanation.message
    _head(message)
    if explanation.meaning is not None and explanation.meaning.release is not None:
        meaning = explanation.meaning
        by = "" if meaning.acts is Actor.NOBODY else f" ({meaning.acts})"
        print(wrapped(f"{meaning.words}; until {meaning.release}{by}", first="Waits:       "))
    for stop in explanation.stops:
        print(wrapped(stop_line(stop), first="Mail stop:   "))
    print("\nDecisions")
    before = ""
    for decision in explanation.decisions:
        at, day = precise(decision.at), ""
        if at[:10] != before:
            before = day = at[:10]
            print(f"  {day}")
        print(wrapped(_what(decision), first=f"    {at[11:]}  "))
        facts = _facts(decision)
        if facts:
            print(wrapped(facts, first=" " * 6))


def _head(message: MessageView) -> None:
    reason = f" ({reason_in_words(message.reason)})" if _has_reason(message) else ""
    sent_from = message.address or "-"
    if message.queue_id:
        sent_from += f", queued there as {message.queue_id}"
    rows = {
        "Message": message.id,
        "State": f"{in_words(message.state)}{reason}",
        "From": message.from_address,
        "To": message.to,
        "Subject": message.subject,
        "Message-ID": message.message_id,
        "Sent from": sent_from,
        "Attempts": f"{message.attempts}, priority {message.priority}",
    }
    for title, value in rows.items():
        print(wrapped(printable(value), first=f"{title + ':':<13}"))


def _what(decision: Decision) -> str:
    state = in_words(decision.state)
    reason = reason_in_words(decision.reason) if _has_reason(decision) else ""
    head = f"{state} ({reason})" if reason else state
    text = decision.message
    return head if not text or text == state else f"{head}: {text}"


def _has_reason(item: MessageView | Decision) -> bool:
    """Tell whether there is a reason that differs from the state."""
    return bool(item.reason) and item.reason != item.state


def waits_until(decision: Decision) -> str:
    """Return until when a message waits that a decision holds or defers."""
    at = decision.details.get("until")
    return until(None if at is None else datetime.fromisoformat(str(at)))


def _facts(decision: Decision) -> str:
    shown = dict(decision.details)
    if decision.state is State.HELD or shown.get("until") is not None:
        shown["until"] = waits_until(decision)
    return ", ".join(
        f"{title} {shown[name]}".strip()
        for name, title in FACTS.items()
        if shown.get(name) is not None
    )
