"""`penguin holds`: list, add and end holds: what sends nothing for now, and until when."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.api import connect
from cli.names import TenantOption, subject_fields, tenant_option
from cli.output import Format, OutputOption, plain, print_result, print_rows
from cli.pause import ReasonOption
from cli.times import end as end_of
from cli.times import later, moment
from cli.times import until as lasting
from controlplane.holds.schemas import Ended, HoldKind, HoldPage, HoldView

app = typer.Typer(help="What sends nothing for now, for operators.", no_args_is_help=True)
FORMS = "address/IP, provider/NAME, provider/IP/NAME, domain/NAME, mailbox/ADDRESS or tenant/NAME"
COLUMNS = ("subject", "tenant", "reason", "since?", "until", "actor?", "release?")
SubjectArgument = Annotated[str, typer.Argument(metavar="SUBJECT", help=FORMS)]


@app.command("list")
def list_all(tenant: TenantOption = None, output: OutputOption = Format.TABLE) -> None:
    """List holds; with --tenant those that concern its mail, also of whole providers."""
    of = tenant_option(tenant)
    items = list(connect().pages("/holds", HoldPage, **({"tenant": of} if of else {})))
    rows = map(_row, items) if output is Format.TABLE else map(plain, items)
    print_rows(list(rows), COLUMNS, output)


@app.command()
def add(
    subject: SubjectArgument,
    reason: ReasonOption,
    until: Annotated[
        str | None,
        typer.Option(help="36h, 7d, or 2026-12-24T18:00:00Z; without an end if left out"),
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Let a subject send nothing; `penguin stop` stops mail by other criteria, and without an end.

    What is held already is held for longer, never for less.
    """
    body = _read(subject) | {"reason": reason} | ({"until": later(until)} if until else {})
    held = connect().post("/holds", HoldView, body)
    line = f"{held.kind}/{held.name} is held {lasting(held.until)}"
    print_result(f"{line}; what releases it: {held.release}", held, output)


@app.command()
def end(
    subject: SubjectArgument, reason: ReasonOption, output: OutputOption = Format.TABLE
) -> None:
    """End a hold, also that of a provider for all tenants; its mail goes on within a second."""
    done = connect().post("/holds/end", Ended, _read(subject) | {"reason": reason})
    outcome = "is not held any more" if done.changed else "unchanged: it was not held"
    print_result(f"{subject} {outcome}", done, output)


def _read(subject: str) -> dict[str, str]:
    return subject_fields(subject, HoldKind, mistake="cannot be held", forms=FORMS)


def _row(hold: HoldView) -> dict[str, object]:
    return {
        "subject": f"{hold.kind}/{hold.name}",
        "tenant": hold.tenant or "(all)",
        "reason": hold.words,
        "since": moment(hold.since),
        "until": end_of(hold.until),
        "actor": hold.actor or "(sender)",
        "release": hold.release,
    }
