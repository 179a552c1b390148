"""`penguin mailq`: what is held and why; release, withdraw, retry, and unknown outcomes."""

from __future__ import annotations

from typing import Annotated, Any

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
    steps,
)
from cli.consent import require_consent
from cli.names import TenantOption, tenant_option
from cli.output import Format, OutputOption, plain, print_result, print_rows
from cli.pause import ReasonOption
from cli.times import age, end
from controlplane.queue.schemas.changes import Changed, KeptView, Released
from controlplane.queue.schemas.lists import HeldPage, UnknownPage

app = typer.Typer(help="Mail that waits for something, for operators.")
HELD = ("tenant", "bucket", "mails", "code", "until", "release?", "words?")
UNKNOWN = ("id", "tenant", "from", "to", "address", "code", "age")


@app.callback(invoke_without_command=True)
def held(
    context: typer.Context,
    tenant: TenantOption = None,
    code: CodeOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List the buckets whose mail is held: why, until when, how many, what would release it."""
    if context.invoked_subcommand:
        return
    query = {"tenant": tenant_option(tenant), "code": code}
    given = {name: value for name, value in query.items() if value is not None}
    rows: list[dict[str, Any]] = []
    for bucket in connect().pages("/mailq", HeldPage, **given):
        row = plain(bucket)
        if output is Format.TABLE:
            row["until"] = end(bucket.until)
            row["mails"] = counts.in_words(bucket)
        rows.append(row)
    print_rows(rows, HELD, output)


@app.command()
def release(
    reason: ReasonOption,
    ids: IdsArgument = None,
    tenant: TenantOption = None,
    code: CodeOption = None,
    domain: DomainOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Release buckets, with the holds that keep their mail; say what else holds them again."""
    count, ended = 0, list[str]()
    kept: dict[str, KeptView] = {}
    selection, what = selected(ids, tenant, code, domain), "buckets released"
    for done in steps("/mailq/release", Released, selection, reason, what):
        count += done.changed
        ended += done.ended
        for view in done.kept:
            view.buckets += kept[view.code].buckets if view.code in kept else 0
            kept[view.code] = view
    lines = [
        f"{what}: {count}",
        *(f"hold ended: {subject}" for subject in ended),
        *(
            f"held again: {v.buckets}, {v.code}; what releases it: {v.release}"
            for v in kept.values()
        ),
    ]
    document = {"changed": count, "ended": ended, "kept": [plain(v) for v in kept.values()]}
    print_result("\n".join(lines), document, output)


@app.command()
def withdraw(
    reason: ReasonOption,
    ids: IdsArgument = None,
    tenant: TenantOption = None,
    code: CodeOption = None,
    domain: DomainOption = None,
    yes: YesOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Cancel mail that waits; what is being handed over is not touched."""
    selection = selected(ids, tenant, code, domain)
    if selection and not yes:  # without one the API refuses
        question = f"Withdraw all mail that waits {in_words(selection)}?"
        require_consent(question, "penguin mailq withdraw …")
    change("/mailq/withdraw", selection, reason, "mails withdrawn", output)


@app.command()
def retry(
    reason: ReasonOption,
    ids: IdsArgument = None,
    tenant: TenantOption = None,
    code: CodeOption = None,
    domain: DomainOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Try deferred mail again now."""
    selection = selected(ids, tenant, code, domain)
    change("/mailq/retry", selection, reason, "deferred mails tried again", output)


@app.command()
def unknown(tenant: TenantOption = None, output: OutputOption = Format.TABLE) -> None:
    """List mail that a host may have accepted or not, newest first."""
    of = tenant_option(tenant)
    mails = connect().pages("/mailq/unknown", UnknownPage, **({"tenant": of} if of else {}))
    is_table = output is Format.TABLE
    rows = [plain(mail) | ({"age": age(mail.since)} if is_table else {}) for mail in mails]
    print_rows(rows, UNKNOWN, output)


@app.command()
def resolve(
    delivered: Annotated[
        bool,
        typer.Option(
            "--delivered/--not-delivered",
            help="whether their host has it in its log; what was not delivered is sent again",
        ),
    ],
    reason: ReasonOption,
    ids: IdsArgument = None,
    tenant: TenantOption = None,
    code: CodeOption = None,
    domain: DomainOption = None,
    yes: YesOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Say what became of mail of unknown outcome. Asks, unless ids are given."""
    selection = selected(ids, tenant, code, domain)
    what = "mails delivered" if delivered else "mails sent again"
    if selection and not (ids or yes):
        verdict = "was delivered" if delivered else "was not, and send it again"
        question = f"Say that all mail of unknown outcome {in_words(selection)} {verdict}?"
        require_consent(question, "penguin mailq resolve …")
    request = selection | {"delivered": delivered}
    count = sum(d.changed for d in steps("/mailq/resolve", Changed, request, reason, what))
    print_result(f"{what}: {count}", {"resolved": count, "delivered": delivered}, output)
