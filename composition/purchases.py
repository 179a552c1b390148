"""`penguin purchases`: list purchases, agree to prices, settle those without a known outcome."""

from __future__ import annotations

import os
import re
import shlex
import uuid
from typing import Annotated, Any

import typer

from cli.bulk import YesOption
from cli.consent import require_consent
from cli.faults import USAGE
from cli.options import cents_of
from cli.output import Format, OutputOption, print_result, print_rows, progress_stream
from cli.pause import ReasonOption
from cli.table import Table
from cli.terminal import terminal_width
from composition import dsn
from composition.faults import NO_SUCH_PURCHASE, ORDERED_ALREADY
from composition.settings import Settings
from hostwinds.journal import (
    Intent,
    Journal,
    close_server,
    journal_at,
    journal_from_environment,
)
from hostwinds.models import public_address
from hostwinds.purchase import usd
from hostwinds.recovery import Finding, Found
from kit.paths import state_dir

SERVICE_ID = re.compile("[1-9][0-9]*")
DIFFERENCES = ("name", "service_id", "finding", "meaning")
MEANINGS = {
    Finding.ADOPTED: "it is written into the ledger",
    Finding.LEFT: "no document has it: apply the one that does, or end it in the portal",
    Finding.GONE: "it was ended since: `penguin purchases forget {name}` lets another be bought",
    Finding.UNCLEAR: "it is not listed: settle or forget it after 30 minutes",
}
COLUMNS = ("name", "opened_at", "outcome", "agreed_usd", "closed_at")

app = typer.Typer(help="Purchases at the provider.")

NameArgument = Annotated[str, typer.Argument(help="as `penguin purchases --all` lists it")]


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="every row of the ledger, closed ones too")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """List the purchases without an outcome, oldest first.

    The journal is that of HOSTWINDS_JOURNAL, else that of the control plane of this machine.
    """
    if context.invoked_subcommand:
        return
    journal = _journal()
    rows = [_row(intent) for intent in (journal.ledger() if everything else journal.waiting())]
    print_rows(rows, COLUMNS if everything else COLUMNS[:3], output)


@app.command()
def env(output: OutputOption = Format.TABLE) -> None:
    """Print HOSTWINDS_JOURNAL of this control plane, for `pulumi up` by hand."""
    url = dsn.journal(Settings.read(state_dir()))
    text = f"export HOSTWINDS_JOURNAL={shlex.quote(url)}"
    print_result(text, {"HOSTWINDS_JOURNAL": url}, output)


@app.command()
def agree(
    name: NameArgument,
    price: Annotated[str, typer.Argument(help="USD a month, as 45.99")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Agree to a price, up to which a server may be ordered."""
    most = cents_of(price)
    journal = _journal()
    if journal.agreed(name) is None:
        raise NO_SUCH_PURCHASE(name=name, where="HOSTWINDS_JOURNAL")
    if journal.find(name) is not None:
        raise ORDERED_ALREADY(name=name)
    agreed = usd(journal.agree(name, most))
    _wake(name)
    print_result(f"{name} may cost {agreed} a month", {"name": name, "agreed": agreed}, output)


@app.command()
def settle(
    name: NameArgument,
    outcome: Annotated[str, typer.Argument(help="service id of the server, or the address")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Record what was bought, as the provider's portal shows it; its tenant goes on at once."""
    journal = _journal()
    _require(journal, name)
    _require_outcome(journal, name, outcome)
    journal.settle(name, outcome)
    _wake(name)
    print_result(f"{name} is {outcome}", {"name": name, "outcome": outcome}, output)


@app.command()
def forget(name: NameArgument, output: OutputOption = Format.TABLE) -> None:
    """Record that it was not bought, or has ended, so that it is ordered again."""
    journal = _journal()
    _require(journal, name)
    close_server(journal, name)
    _wake(name)
    print_result(f"{name} may be bought again", {"name": name, "outcome": "forgotten"}, output)


@app.command()
def replace(
    identity: Annotated[str, typer.Argument(metavar="ID", help="as the condition shows it")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Let this journal take the place of one that is lost for good."""
    try:
        lost = str(uuid.UUID(identity))
    except ValueError:
        mistake = f"{identity} is not the id of a journal"
        raise USAGE(mistake=mistake, remedy="use the one that the condition shows") from None
    _journal().replace(lost)
    print_result(f"this is journal {lost} now", {"journal": lost}, output)


@app.command()
def recover(
    reason: ReasonOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what differs")] = False,
    yes: YesOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """After a restore or a promotion: compare the ledger with the account, and buy and end again.

    A server that a document wants and the ledger does not know is written into the ledger. All
    others are only shown. Each tenant is then compared with its providers before it is changed.
    """
    from composition.recovery import Recovery  # the libraries of the database take time

    recovery = Recovery(Settings.read(state_dir()))
    found = recovery.compare()
    rows = [_difference(one) for one in found]
    if dry_run:
        print_rows(rows, DIFFERENCES, output)
        return
    if not yes:
        table = Table(DIFFERENCES, rows, terminal_width()).lines
        print("\n".join(table), file=progress_stream(output), flush=True)
        question = "Write into the ledger what is adopted, and let purchases and ends go on?"
        require_consent(question, "penguin purchases recover --reason …")
    recovery.finish(found, reason)
    adopted = sum(one.finding is Finding.ADOPTED for one in found)
    line = f"{adopted} servers adopted, {len(found) - adopted} other differences; purchases go on"
    print_result(line, {"adopted": adopted, "differences": rows}, output)


def listed() -> list[dict[str, Any]]:
    """Return every purchase, for `penguin get purchases`."""
    return [_row(intent) for intent in _journal().intents()]


def _journal() -> Journal:
    """Return the journal of the environment, else that of the control plane of this machine."""
    if os.environ.get("HOSTWINDS_JOURNAL"):
        return journal_from_environment()
    return journal_at(dsn.journal(Settings.read(state_dir())))


def _wake(name: str) -> None:
    from composition.wake import wake_tenant_of  # the libraries of the database take time

    wake_tenant_of(name)


def _row(intent: Intent) -> dict[str, Any]:
    closed_at, agreed = intent.closed_at, intent.agreed_cents
    return {
        "name": intent.key,
        "opened_at": intent.opened_at.isoformat(timespec="seconds"),
        "outcome": intent.outcome if intent.ordered else "not ordered",
        "agreed_usd": agreed if agreed is None else usd(agreed).removesuffix(" USD"),
        "closed_at": closed_at and closed_at.isoformat(timespec="seconds"),
    }


def _difference(one: Found) -> dict[str, Any]:
    return {
        "name": one.name,
        "service_id": one.service_id,
        "finding": one.finding.value,
        "meaning": MEANINGS[one.finding].format(name=one.name),
    }


def _require(journal: Journal, name: str) -> None:
    if journal.find(name) is None and journal.agreed(name) is None:
        raise NO_SUCH_PURCHASE(name=name, where="HOSTWINDS_JOURNAL")


def _require_outcome(journal: Journal, name: str, outcome: str) -> None:
    """Addresses are named `<service id>/<address name>`. No two purchases have one outcome.

    What the provider has confirmed is not written over, since it would run on unseen.
    """
    row = journal.find(name)
    if row is not None and row.account and row.outcome not in (None, outcome):
        mistake = f"{name} is {row.outcome} at the provider"
        raise USAGE(mistake=mistake, remedy="`penguin purchases forget` it first if it has ended")
    owners = [intent.key for intent in journal.intents() if intent.outcome == outcome]
    if owners not in ([], [name]):
        mistake = f"{outcome} is the outcome of {owners[0]}"
        raise USAGE(mistake=mistake, remedy="use what the portal shows for this purchase")
    if "/" not in name:
        if not SERVICE_ID.fullmatch(outcome):
            raise USAGE(mistake=f"{outcome} is not a service id", remedy="use the portal's number")
    elif public_address(outcome) != outcome:
        raise USAGE(mistake=f"{outcome} is not a public IPv4 address", remedy="use four numbers")
