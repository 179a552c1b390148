"""`penguin send`: send one mail through the tenant API."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli.api import Api, connect
from cli.environment import environment
from cli.explain import waits_until
from cli.faults import NOT_ACCEPTED, USAGE
from cli.mail.file import read
from cli.names import TenantOption, tenant_option
from cli.options import whole_number
from cli.output import Format, OutputOption, print_document
from cli.progress import ProgressLine
from cli.states import MOVING, in_words, reason_in_words
from cli.times import later, moment, seconds
from sender.schemas import Explanation, State

app = typer.Typer()
POLL = 0.2


@app.command()
def send(
    sender: Annotated[str | None, typer.Option("--from", help="address of the mailbox")] = None,
    recipient: Annotated[str | None, typer.Option("--to", help="one recipient")] = None,
    subject: Annotated[str | None, typer.Option(help="one line")] = None,
    text: Annotated[str | None, typer.Option(help="the plain text")] = None,
    html: Annotated[str | None, typer.Option(help="the HTML alternative")] = None,
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="an .eml file; options override it")
    ] = None,
    tenant: TenantOption = None,
    priority: Annotated[
        int, typer.Option(parser=whole_number, help="1 to 1000, low is urgent")
    ] = 100,
    campaign: Annotated[
        str | None, typer.Option(help="groups mail: its complaints, and `penguin stop campaign`")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(help="give it up if it is not sent by then: 36h, 7d, or 2026-12-24T18:00:00Z"),
    ] = None,
    transactional: Annotated[
        bool,
        typer.Option("--transactional", help="asked for by its recipient: no footer, no list mail"),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="wait until the mail host has accepted it")
    ] = False,
    timeout: Annotated[str, typer.Option(help="for --wait, as 60s or 5m")] = "60s",
    output: OutputOption = Format.TABLE,
) -> None:
    """Queue one mail to one recipient; with --wait exit 0 once our mail host has accepted it."""
    limit = seconds(timeout)
    options = {"from": sender, "to": recipient, "subject": subject, "text": text, "html": html}
    given = {key: value for key, value in options.items() if value is not None}
    content = given if file is None else _from_file(file, given)
    if missing := [f"--{key}" for key in ("from", "to", "subject") if key not in content]:
        raise USAGE(mistake=f"{', '.join(missing)} missing", remedy="see `penguin send --help`")
    if transactional:
        content = {**content, "transactional": True}
    if campaign is not None:
        content = {**content, "campaign": campaign}
    if expires is not None:
        content = {**content, "expires_at": later(expires)}
    api = connect()
    message_id = api.enqueue({**content, "priority": priority}, tenant_option(tenant))
    explained = _settled(api, message_id, limit) if wait else api.explain(message_id)
    message = explained.message
    if output is Format.TABLE:
        print(f"{in_words(message.state)}: {message.id} {message.message_id}")
    else:
        print_document(message, output)
    if wait and message.state is not State.ACCEPTED:
        raise NOT_ACCEPTED(state=in_words(message.state), reason=_why(explained), id=message.id)


def _from_file(path: Path, given: Mapping[str, object]) -> Mapping[str, object]:
    """Return the message of a file, changed by options; name on stderr what is rewritten."""
    content, left_out = read(path, given)
    if left_out:
        print(f"rewritten or left out: {', '.join(sorted(left_out))}", file=sys.stderr)
    return {**content, **given}


def _why(explained: Explanation) -> str:
    """Return why a message is not accepted, what releases it, and when it goes on by itself."""
    message, meaning, last = explained.message, explained.meaning, explained.decisions[-1]
    is_explained = last.kind != "enqueued" and last.state is message.state
    if is_explained and last.reason == message.reason and last.message:
        words = last.message
    elif meaning is not None:
        words = meaning.words
    else:
        words = reason_in_words(message.reason) or "the sender has not taken it yet"
    parts = [words]
    if meaning is not None and meaning.release:
        parts.append(f"what releases it: {meaning.release}")
    if message.state is State.HELD:
        parts.append(f"held {waits_until(last)}")
    elif message.state is State.DEFERRED:
        parts.append(f"tried again at {moment(message.run_at)}")
    return "; ".join(parts)


def _settled(api: Api, message_id: str, timeout: float) -> Explanation:
    """Return what is known of the message once its state is final, or at the timeout."""
    deadline = time.monotonic() + timeout
    with ProgressLine("sending", log_steps=False) as line:
        while True:
            explained = api.explain(message_id)
            message = explained.message
            if message.state not in MOVING or time.monotonic() > deadline:
                return explained
            line.update(f"{in_words(message.state)} {reason_in_words(message.reason)}".rstrip())
            environment().sleep(POLL)
