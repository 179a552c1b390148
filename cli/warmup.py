"""`penguin warmup`: show and set how far addresses, domains and mailboxes are warmed up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cli.api import Api, connect, tenant_path
from cli.faults import USAGE
from cli.kinds import TENANT
from cli.lists import tenant_names
from cli.names import TenantOption, subject_fields, tenant_name, tenant_option
from cli.options import whole_number
from cli.output import Format, OutputOption, plain, print_document, print_result, print_rows
from cli.pause import ReasonOption
from cli.terminal import wrapped
from cli.times import end, until
from controlplane.warmup.schemas import TenantWarmUp, WarmUpKind, WarmUpPage, WarmUpView

app = typer.Typer(
    help="Warm-up of addresses, From domains and mailboxes, for operators.", no_args_is_help=True
)
FORMS = "address/IP, provider/IP/PROVIDER, domain/NAME, mailbox/ADDRESS or tenant/NAME"
COLUMNS = ("tenant", "subject", "day", "cap", "today", "held_until", "reason?", "release?")


@app.command()
def show(
    subject: Annotated[
        str | None, typer.Argument(metavar="[SUBJECT]", help=f"{FORMS}; all if left out")
    ] = None,
    tenant: TenantOption = None,
    kind: Annotated[
        WarmUpKind | None,
        typer.Option(help="list only these; provider: addresses at providers they have sent to"),
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List the warm-ups of a tenant, or of all, with caps and holds; or show one."""
    of = tenant_option(tenant)
    if subject is None or _kind_of(subject) == TENANT.name:
        if subject is not None and of is not None:
            raise USAGE(mistake="the tenant is given twice", remedy="leave out --tenant")
        _list(of if subject is None else tenant_name([subject]), kind, output)
        return
    if of is not None or kind is not None:
        raise USAGE(
            mistake=f"{subject} is one subject, and needs neither --tenant nor --kind",
            remedy="leave them out, or leave out the subject",
        )
    found = connect().get("/warmup", WarmUpView, **_read(subject))
    if output is Format.TABLE:
        for title, value in _lines(found).items():
            print(wrapped(value, first=f"{title + ':':<13}"))
    else:
        print_document(found, output)


@app.command("set")
def set_day(
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help=f"{FORMS}: everything of the tenant")
    ],
    day: Annotated[
        int, typer.Option("--day", parser=whole_number, help="of its curve; 1 restarts it")
    ],
    reason: ReasonOption,
    output: OutputOption = Format.TABLE,
) -> None:
    """Set the day that a warm-up is on, or all warm-ups of a tenant."""
    if _kind_of(subject) == TENANT.name:
        _set_all(tenant_name([subject]), {"day": day, "reason": reason}, output)
        return
    body = _read(subject) | {"day": day, "reason": reason}
    found = connect().post("/warmup", WarmUpView, body)
    line = f"{found.kind}/{found.name} is on day {found.day}: {found.cap} mails a day"
    print_result(line, found, output)


def _set_all(tenant: str, body: dict[str, Any], output: Format) -> None:
    done = connect().post(f"{tenant_path(tenant)}/warmup", TenantWarmUp, body)
    line = (
        f"tenant/{done.tenant} is on day {done.day}: {done.addresses} addresses at "
        f"{done.providers} providers, {done.domains} domains, {done.mailboxes} mailboxes"
    )
    print_result(line, done, output)


def _list(tenant: str | None, kind: WarmUpKind | None, output: Format) -> None:
    items = list(_all(connect(), tenant, kind))
    rows = map(_row, items) if output is Format.TABLE else map(plain, items)
    print_rows(list(rows), COLUMNS, output)


def _all(api: Api, tenant: str | None, kind: WarmUpKind | None) -> Iterator[WarmUpView]:
    names = [tenant] if tenant else tenant_names(api)
    query = {} if kind is None else {"kind": kind.value}
    for name in names:
        yield from api.pages(f"{tenant_path(name)}/warmup", WarmUpPage, **query)


def _row(found: WarmUpView) -> dict[str, object]:
    hold = found.hold
    return {
        "tenant": found.tenant,
        "subject": f"{found.kind}/{found.name}",
        "day": found.day,
        "cap": _cap(found),
        "today": found.used_today,
        "held_until": hold and end(hold.until),
        "reason": hold and hold.words,
        "release": hold and hold.release,
    }


def _cap(found: WarmUpView) -> int:
    """Return what may be sent on this day."""
    return found.cap if found.daily_cap is None else min(found.cap, found.daily_cap)


def _kind_of(subject: str) -> str:
    return subject.partition("/")[0]


def _read(subject: str) -> dict[str, str]:
    return subject_fields(subject, WarmUpKind, mistake="has no warm-up", forms=FORMS)


def _lines(found: WarmUpView) -> dict[str, str]:
    end = f"{found.good_days_to_target} good days to {found.target}"
    rows = {
        "Warm-up": f"{found.kind}/{found.name} of tenant/{found.tenant}, curve {found.curve}",
        "Day": f"{found.day}, {found.cap} mails a day; "
        + (end if found.good_days_to_target else "warm"),
        "Today": f"{found.used_today} mails (UTC)",
        "Began": f"{found.started or '-'}; last used {found.last_used or '-'}",
        "Counted": f"{found.good_days} good days, {found.steps_back} steps back",
    }
    if found.daily_cap is not None:
        rows["Daily cap"] = f"{found.daily_cap} mails, of the tenant's document"
    if found.set_by is not None:
        rows["Set"] = f"by key {found.set_by}: {found.set_reason}"
    if found.hold is not None:
        hold = found.hold
        rows["Held"] = f"{until(hold.until)}: {hold.words}; what releases it: {hold.release}"
    return rows
