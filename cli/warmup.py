"""`penguin warmup`: show and set how far addresses, domains and mailboxes are warmed up."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect
from cli.faults import USAGE
from cli.output import Format, OutputOption, print_document, print_result
from cli.pause import ReasonOption
from cli.terminal import wrapped
from controlplane.warmup.schemas import WarmUpKind, WarmUpView

app = typer.Typer(
    help="Warm-up of addresses, From domains and mailboxes, for operators.", no_args_is_help=True
)
SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="address/IP, provider/IP/PROVIDER, domain/NAME or mailbox/ADDRESS"
    ),
]


@app.command()
def show(subject: SubjectArgument, output: OutputOption = Format.TABLE) -> None:
    """Show the day that a warm-up is on, and what it allows."""
    found = connect().get("/warmup", WarmUpView, **_read(subject))
    if output is Format.TABLE:
        for title, value in _rows(found).items():
            print(wrapped(value, first=f"{title + ':':<13}"))
    else:
        print_document(found, output)


@app.command("set")
def set_day(
    subject: SubjectArgument,
    day: Annotated[int, typer.Option("--day", help="of its curve; 1 restarts it")],
    reason: ReasonOption,
    output: OutputOption = Format.TABLE,
) -> None:
    """Set the day that a warm-up is on."""
    body = _read(subject) | {"day": day, "reason": reason}
    found = connect().post("/warmup", WarmUpView, body)
    line = f"{found.kind}/{found.name} is on day {found.day}: {found.cap} mails a day"
    print_result(line, found, output)


def _read(subject: str) -> dict[str, str]:
    """Return a subject as fields of the API's requests."""
    kind, _, name = subject.partition("/")
    if kind not in set(WarmUpKind) or not name:
        raise USAGE(
            mistake=f"{subject} has no warm-up",
            remedy="give address/IP, provider/IP/PROVIDER, domain/NAME or mailbox/ADDRESS",
        )
    return {"kind": kind, "name": name}


def _rows(found: WarmUpView) -> dict[str, str]:
    end = f"{found.good_days_to_target} good days to {found.target}"
    rows = {
        "Warm-up": f"{found.kind}/{found.name} of tenant/{found.tenant}, curve {found.curve}",
        "Day": f"{found.day}, {found.cap} mails a day; "
        + (end if found.good_days_to_target else "warm"),
        "Today": f"{found.used_today} mails (UTC)",
        "Began": f"{found.started or '-'}; last used {found.last_used or '-'}",
        "Counted": f"{found.good_days} good days, {found.steps_back} steps back",
    }
    if found.set_by is not None:
        rows["Set"] = f"by key {found.set_by}: {found.set_reason}"
    return rows
