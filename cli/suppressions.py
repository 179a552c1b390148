"""`penguin suppressions`: list, add, remove and look up who gets no more mail from a tenant."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from blueprint.faults import INVALID_VALUE, abbreviated, invalid
from blueprint.mail_address import folded, is_mail_address, meant_address, remedy_of
from blueprint.shape import as_json
from cli.api import Api, connect
from cli.faults import USAGE
from cli.folders import shown, text_of
from cli.names import TenantOption, tenant_option
from cli.output import Format, OutputOption, plain, print_document, print_result, print_rows
from cli.times import moment
from controlplane.suppressions.schemas import (
    MOST_ADDRESSES,
    Suppressed,
    SuppressionPage,
    SuppressionsOf,
    SuppressionView,
)
from kit.faults import Fault, Violation
from sender.schemas import SuppressionReason

app = typer.Typer(help="Who gets no more mail from a tenant, and why.", no_args_is_help=True)
PATH = "/suppressions"
COLUMNS = ("recipient", "reason", "source", "added_by?", "added_at")
LARGEST = 64 * 2**20
"""Bytes of a file of addresses."""
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="a mail address")]


@app.command("list")
def list_all(
    tenant: TenantOption = None,
    reason: Annotated[
        SuppressionReason | None, typer.Option(help="only those for this reason")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """List suppressions, newest first; of an address only a hash (SHA-256) is stored."""
    query = _of(tenant) | ({"reason": reason.value} if reason else {})
    items = list(connect().pages(PATH, SuppressionPage, **query))
    if output is Format.TABLE:
        rows = [plain(item) | {"added_at": moment(item.added_at)} for item in items]
        print_rows(rows, COLUMNS, output)
    else:
        print_document(items, output)


@app.command()
def add(
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="mail addresses")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--filename", "-f", help="a file with an address in each line, or -"),
    ] = None,
    reason: Annotated[
        SuppressionReason, typer.Option(help="why they get no more mail")
    ] = SuppressionReason.MANUAL,
    tenant: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Send no more mail to addresses. If one of them is not valid, none is added."""
    given = [*(addresses or ()), *([] if file is None else _read(file))]
    _refuse_invalid(addresses or (), None)
    if not given:
        raise USAGE(mistake="no address is given", remedy="name addresses, or a file of them by -f")
    done = _add(connect(), given, reason, _of(tenant))
    line = f"{done.added} added ({reason}), {done.known} known before"
    print_result(line, done, output)


@app.command()
def remove(
    address: AddressArgument,
    reason: Annotated[
        SuppressionReason | None, typer.Option(help="only the suppression for this reason")
    ] = None,
    justification: Annotated[
        str | None,
        typer.Option(help="why; required if the recipient unsubscribed or complained; recorded"),
    ] = None,
    tenant: TenantOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Allow mail to an address again."""
    body = {"address": address, "reason": reason, "justification": justification}
    removed = connect().post(f"{PATH}/remove", SuppressionsOf, body, **_of(tenant))
    reasons = ", ".join(item.reason for item in removed.items)
    outcome = f"removed ({reasons})" if removed.items else "unchanged: it was not suppressed"
    print_result(f"{address} {outcome}", removed, output)


@app.command()
def check(
    address: AddressArgument, tenant: TenantOption = None, output: OutputOption = Format.TABLE
) -> None:
    """Look up whether an address is suppressed, and why."""
    found = connect().post(f"{PATH}/check", SuppressionsOf, {"address": address}, **_of(tenant))
    lines = [f"{address} is {'suppressed' if found.items else 'not suppressed'}"]
    lines += [_line(item) for item in found.items]
    print_result("\n".join(lines), found, output)


def _line(item: SuppressionView) -> str:
    by = f" by key {item.added_by}" if item.added_by else ""
    return f"  {item.reason}: {item.source}{by}, {moment(item.added_at)}"


def _of(tenant: str | None) -> dict[str, str]:
    """Return the query that names the tenant."""
    name = tenant_option(tenant)
    return {"tenant": name} if name else {}


def _read(file: str) -> list[str]:
    """Return the addresses in the lines of a file; raises all that is wrong with it."""
    lines = [line.strip() for line in re.split("\r\n|\r|\n", text_of(file, LARGEST))]
    _refuse_invalid(lines, shown(file))
    return [line for line in lines if line]


def _refuse_invalid(lines: Sequence[str], file: str | None) -> None:
    violations = _violations(lines, file)
    if first := next(violations, None):
        raise invalid([first, *violations])


def _violations(lines: Sequence[str], file: str | None) -> Iterator[Violation]:
    for number, text in enumerate(lines, start=1):
        if is_mail_address(text) or (file is not None and not text):
            continue
        meant = meant_address(text)
        yield INVALID_VALUE.violation(
            file=file,
            line=number if file else None,
            key=f"line {number}" if file else "ADDRESS",
            value=abbreviated(as_json(text)),
            remedy=remedy_of(text) + (f"; did you mean {meant}?" if meant else ""),
        )


def _add(
    api: Api, addresses: Sequence[str], reason: SuppressionReason, query: dict[str, str]
) -> Suppressed:
    """Add addresses in requests of a size that the API takes; the same again does no harm."""
    distinct = list(dict.fromkeys(map(folded, addresses)))
    added = known = 0
    for start in range(0, len(distinct), MOST_ADDRESSES):
        body = {"addresses": distinct[start : start + MOST_ADDRESSES], "reason": reason}
        try:
            done = api.post(PATH, Suppressed, body, **query)
        except Fault:
            if start:
                words = f"{start} of {len(distinct)} addresses are suppressed; add all again"
                print(words, file=sys.stderr)
            raise
        added, known = added + done.added, known + done.known
    return Suppressed(added=added, known=known)
