"""`penguin queue`: figures and dead letters of the queue, and going on after a restore."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import counts
from cli.api import connect
from cli.bulk import (
    CodeOption,
    DomainOption,
    IdsArgument,
    YesOption,
    change,
    in_words,
    selected,
)
from cli.consent import require_consent
from cli.names import TenantOption, tenant_option
from cli.output import Format, OutputOption, plain, print_document, print_result, print_rows
from cli.pause import ReasonOption
from cli.times import ago, lasting, moment
from controlplane.queue.schemas.changes import Recovered, TreatAs
from controlplane.queue.schemas.figures import QueueView
from controlplane.queue.schemas.lists import DeadPage

app = typer.Typer(help="The queue of all tenants, for operators.", no_args_is_help=True)
DEAD = ("id", "tenant", "from", "to", "code", "attempts", "died_at", "words?")


@app.command()
def stats(output: OutputOption = Format.TABLE) -> None:
    """Count the mail of all tenants by state and reason; of a large queue, a sample is read."""
    queue = connect().get("/queue", QueueView)
    if output is not Format.TABLE:
        print_document(queue, output)
        return
    rows = [
        plain(depth) | {"mails": counts.in_words(depth), "oldest": lasting(depth.oldest_seconds)}
        for depth in queue.depths
    ]
    print(f"{queue.workers} senders, {queue.unserved_slots} of 256 parts of all tenants unserved")
    if queue.is_restored:
        print("database_restored: nothing is sent before `penguin queue recover`")
    print_rows(rows, ("state", "code", "mails", "oldest"), output)


@app.command()
def dead(
    tenant: TenantOption = None, code: CodeOption = None, output: OutputOption = Format.TABLE
) -> None:
    """List dead letters, newest first: mail that is not tried again by itself."""
    query = {"tenant": tenant_option(tenant), "code": code}
    given = {name: value for name, value in query.items() if value is not None}
    is_table = output is Format.TABLE
    rows = [
        plain(letter) | ({"died_at": moment(letter.died_at)} if is_table else {})
        for letter in connect().pages("/queue/dead", DeadPage, **given)
    ]
    print_rows(rows, DEAD, output)


@app.command()
def replay(
    reason: ReasonOption,
    ids: IdsArgument = None,
    tenant: TenantOption = None,
    code: CodeOption = None,
    domain: DomainOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Send dead letters again, with a whole life and no attempt spent."""
    selection = selected(ids, tenant, code, domain)
    change("/queue/dead/replay", selection, reason, "dead letters sent again", output)


@app.command()
def purge(
    reason: ReasonOption,
    ids: IdsArgument = None,
    tenant: TenantOption = None,
    code: CodeOption = None,
    domain: DomainOption = None,
    yes: YesOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete dead letters with their content; what became of them stays known."""
    selection = selected(ids, tenant, code, domain)
    if selection and not yes:  # without one the API refuses
        question = f"Delete dead letters {in_words(selection)} for good?"
        require_consent(question, "penguin queue purge …")
    change("/queue/dead/purge", selection, reason, "dead letters deleted", output)


@app.command()
def recover(
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            help="until when the database knows everything, as 2026-11-24T12:00:00Z, or 2h ago: "
            "2h; when in doubt, later",
        ),
    ],
    treat_as: Annotated[
        TreatAs,
        typer.Option(
            "--as",
            help="what was in work or due then waits until it is resolved (all_unknown: held mail "
            "too, if people may have released some since), or is sent, perhaps again",
        ),
    ],
    reason: ReasonOption,
    yes: YesOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """After a restore or a promotion: say what may have been sent since, and send on."""
    api = connect()
    body = {"since": ago(since), "treat_as": treat_as, "reason": reason}
    if not yes:
        words = {
            TreatAs.UNKNOWN: f"Put aside what was in work, or due, at {since}, and send the rest? "
            "What is held stays so: if people released some of it since, choose all_unknown.",
            TreatAs.ALL_UNKNOWN: f"Put aside all mail that waited at {since}, held or not, "
            "and send what is newer?",
            TreatAs.RESEND: "Send what was in work, some of it perhaps for the second time?",
        }
        again = f"penguin queue recover --since {since} --as {treat_as} --reason …"
        require_consent(words[treat_as], again)
    claimed = waiting = 0
    done = Recovered(claimed=0, waiting=0, is_done=False)
    while not done.is_done:
        done = api.post("/queue/recover", Recovered, body)
        claimed, waiting = claimed + done.claimed, waiting + done.waiting
    line = f"{claimed + waiting} mails {'due again' if treat_as is TreatAs.RESEND else 'unknown'}"
    result = Recovered(claimed=claimed, waiting=waiting, is_done=True)
    print_result(f"{line}; sending goes on", result, output)
