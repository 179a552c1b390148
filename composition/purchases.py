"""`penguin purchases`: list purchases, and settle those whose outcome is not known."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import typer

from cli.faults import USAGE
from cli.output import Format, OutputOption, print_result, print_rows
from composition.faults import NO_SUCH_PURCHASE
from hostwinds.journal import Intent, Journal, journal_from_environment

app = typer.Typer(help="Purchases at the provider.")

NameArgument = Annotated[str, typer.Argument(help="as `penguin purchases --all` lists it")]


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="also those whose outcome is known")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List the purchases without an outcome, oldest first, from the journal HOSTWINDS_JOURNAL."""
    if context.invoked_subcommand:
        return
    journal = journal_from_environment()
    intents = journal.intents() if everything else journal.waiting()
    rows = [_row(intent) for intent in intents]
    print_rows(rows, ("name", "opened_at", "outcome"), output)


@app.command()
def settle(
    name: NameArgument,
    outcome: Annotated[str, typer.Argument(help="service id of the server, or the address")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Record what was bought, as the provider's portal shows it; the next pass adopts it."""
    journal = journal_from_environment()
    _require(journal, name)
    _require_outcome(name, outcome)
    journal.settle(name, outcome)
    print_result(f"{name} is {outcome}", {"name": name, "outcome": outcome}, output)


@app.command()
def forget(name: NameArgument, output: OutputOption = Format.TABLE) -> None:
    """Record that it was not bought, so that it is ordered again."""
    journal = journal_from_environment()
    _require(journal, name)
    journal.close(name)
    print_result(f"{name} may be bought again", {"name": name, "outcome": "forgotten"}, output)


def listed() -> list[dict[str, Any]]:
    """Return every purchase, for `penguin get purchases`."""
    return [_row(intent) for intent in journal_from_environment().intents()]


def _row(intent: Intent) -> dict[str, Any]:
    opened_at = intent.opened_at.isoformat(timespec="seconds")
    return {"name": intent.key, "opened_at": opened_at, "outcome": intent.outcome}


def _require(journal: Journal, name: str) -> None:
    if journal.find(name) is None:
        raise NO_SUCH_PURCHASE(name=name, where="HOSTWINDS_JOURNAL")


def _require_outcome(name: str, outcome: str) -> None:
    """Addresses are named `<service id>/<address name>`."""
    if "/" not in name:
        if not outcome.isdecimal() or int(outcome) == 0:
            raise USAGE(mistake=f"{outcome} is not a service id", remedy="use the portal's number")
        return
    try:
        ipaddress.IPv4Address(outcome)
    except ValueError:
        raise USAGE(
            mistake=f"{outcome} is not an IPv4 address", remedy="use four numbers"
        ) from None
