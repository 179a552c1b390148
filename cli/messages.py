"""`penguin messages`: find messages, show what became of them, and cancel those that wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any

import typer

from blueprint.mail_address import folded, is_mail_address, remedy_of
from cli import explain, lists
from cli.api import Api, connect, path_of
from cli.bulk import plain_ids
from cli.consent import require_consent
from cli.environment import environment
from cli.events import FollowOption
from cli.faults import USAGE
from cli.kinds import MESSAGE
from cli.names import OptionalTenantArgument, TenantOption, tenant_of, tenant_option
from cli.options import positive_number
from cli.output import Format, OutputOption, print_document, print_item, print_result, print_rows
from cli.states import in_words, reason_in_words
from cli.terminal import on_terminal
from cli.times import ago, moment
from controlplane.messages.schemas import CancelledPage, ErasureView, MessageEventPage
from sender.schemas import MessageEvent, MessageView, State

app = typer.Typer(help="Messages of tenants: find, show, cancel.", no_args_is_help=True)
POLL = 1.0
"""Seconds between two requests with --follow."""
PAGE = 1000
StateOption = Annotated[
    list[State], typer.Option("--state", "-s", help="in this state; repeatable: in one of them")
]
ReasonOption = Annotated[str | None, typer.Option("--reason", "-r", help="a code: suppressed")]
ToOption = Annotated[str | None, typer.Option("--to", help="the recipient")]
FromOption = Annotated[str | None, typer.Option("--from", help="the From address")]
CampaignOption = Annotated[str | None, typer.Option(help="the campaign")]
SinceOption = Annotated[
    str | None, typer.Option(help="queued in the last 36h or 7d, or since 2026-12-24T18:00:00Z")
]
UntilOption = Annotated[
    str | None, typer.Option(help="queued before: 36h ago, or 2026-12-24T18:00:00Z")
]


@app.command("list")
def list_(
    tenant: OptionalTenantArgument = None,
    of: TenantOption = None,
    state: StateOption = [],  # noqa: B006 - never mutated
    reason: ReasonOption = None,
    to: ToOption = None,
    sender: FromOption = None,
    campaign: CampaignOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(parser=positive_number, help="at most so many")] = 100,
    output: OutputOption = Format.TABLE,
) -> None:
    """List messages, newest first."""
    query = _query(tenant_of(tenant, of), state, reason, to, sender, campaign, since, until)
    found: Iterable[Any] = lists.messages(connect(), **query)
    items = list(islice(found, limit))
    if output is Format.TABLE:
        print_rows([lists.row_of(item) for item in items], MESSAGE.columns, output)
    else:
        print_document(items, output)


@app.command()
def show(
    message: Annotated[str, typer.Argument(help="id of the message, or its Message-ID header")],
    output: OutputOption = Format.TABLE,
) -> None:
    """Show a message and every decision about it, as `penguin explain` does."""
    explain.explain(message, output)


@app.command()
def cancel(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="ids of messages")
    ] = None,
    tenant: TenantOption = None,
    state: StateOption = [],  # noqa: B006 - never mutated
    reason: ReasonOption = None,
    to: ToOption = None,
    sender: FromOption = None,
    campaign: CampaignOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Cancel messages that wait: those that are named, or all that the options choose."""
    query = _query(tenant_option(tenant), state, reason, to, sender, campaign, since, until)
    if bool(ids) == bool(query.keys() - {"tenant"}):
        raise USAGE(
            mistake="ids and options are given" if ids else "nothing says which messages are meant",
            remedy="give ids, or at least one of the options that choose messages",
        )
    if ids:
        _cancel_named(connect(), ids, output)
        return
    if not yes:
        chosen = ", ".join(f"{name} {value}" for name, value in query.items())
        question = f"Cancel all messages that wait ({chosen})?"
        require_consent(question, "penguin messages cancel …")
    done = _cancel_all(connect(), query)
    line = f"{len(done.cancelled)} cancelled"
    if done.in_work:
        line += f", {len(done.in_work)} not, in the hands of the sender: {done.in_work[0]}"
        line += ", …" if len(done.in_work) > 1 else ""
    print_result(line, {"cancelled": done.cancelled, "in_work": done.in_work}, output)


@app.command()
def erase(
    address: Annotated[str, typer.Argument(help="of the recipient; only its hash is sent")],
    reason: Annotated[str, typer.Option(help="why; recorded with the event")],
    tenant: TenantOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Erase what is stored of a recipient: bodies, address, subjects, answers. For operators."""
    of = tenant_option(tenant)
    if not is_mail_address(address):
        raise USAGE(mistake=f"{address} is no mail address", remedy=remedy_of(address))
    if not yes:
        whose = f"tenant {of}" if of else "all tenants"
        question = f"Erase what is stored of {address} in the messages of {whose}?"
        require_consent(question, "penguin messages erase …")
    body = {"recipient": sha256(folded(address).encode()).hexdigest(), "reason": reason}
    done = connect().post("/erasures", ErasureView, body | ({"tenant": of} if of else {}))
    line = f"messages erased: {done.erased}, of them cancelled: {done.cancelled}"
    if done.in_work:
        line += f"; in the hands of the sender: {done.in_work}, repeat it in a moment"
    print_result(line, done, output)


@app.command()
def events(
    tenant: OptionalTenantArgument = None,
    of: TenantOption = None,
    message: Annotated[str | None, typer.Option(help="id of a message")] = None,
    state: StateOption = [],  # noqa: B006 - never mutated
    since: Annotated[
        str | None, typer.Option(help="of the last 36h or 7d, or since 2026-12-24T18:00:00Z")
    ] = None,
    follow: FollowOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Print what became of messages, oldest first. With --follow, JSON is one line for each."""
    query = {
        "tenant": tenant_of(tenant, of),
        "message": message,
        "state": list(state) or None,
        "since": None if since is None else ago(since),
    }
    given = {name: value for name, value in query.items() if value is not None}
    items = _events(connect(), given, follow=follow)
    if output is not Format.TABLE and not follow:
        print_document(list(items), output)
        return
    for event in items:
        if output is Format.TABLE:
            head = f"{moment(event.at)}  {event.message_id}  "
            print(on_terminal(_sentence(event), first=head), flush=True)
        else:
            print_item(event, output)


def _query(
    tenant: str | None,
    state: list[State],
    reason: str | None,
    to: str | None,
    sender: str | None,
    campaign: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, Any]:
    """Return what is given as parameters of the API."""
    query = {
        "tenant": tenant,
        "state": list(state) or None,
        "reason": reason,
        "to": to,
        "from": sender,
        "campaign": campaign,
        "since": None if since is None else ago(since),
        "until": None if until is None else ago(until),
    }
    return {name: value for name, value in query.items() if value is not None}


def _cancel_named(api: Api, ids: list[str], output: Format) -> None:
    """Cancel one after the other; whichever cannot be cancelled, those before it are shown."""
    done: list[MessageView] = []
    try:
        done.extend(
            api.post(f"{path_of('messages', id_)}/cancel", MessageView, None)
            for id_ in plain_ids(ids)
        )
    finally:
        if output is not Format.TABLE:
            print_document(done, output)
        for message in done if output is Format.TABLE else ():
            print(f"message/{message.id} cancelled")


def _cancel_all(api: Api, query: dict[str, Any]) -> CancelledPage:
    done = CancelledPage(cancelled=[], in_work=[], next=None)
    while True:
        page = api.post("/messages/cancel", CancelledPage, None, **query)
        done.cancelled += page.cancelled
        done.in_work += page.in_work
        if page.next is None:
            return done
        query = query | {"cursor": page.next}


def _events(api: Api, query: dict[str, Any], *, follow: bool) -> Iterator[MessageEvent]:
    """Yield events, oldest first; with `follow` without end."""
    cursor = "0-0"
    while True:
        page = api.get("/messages/events", MessageEventPage, cursor=cursor, limit=PAGE, **query)
        yield from page.items
        if page.next == cursor:
            if not follow:
                return
            environment().sleep(POLL)
        cursor = page.next


def _sentence(event: MessageEvent) -> str:
    reason = "" if event.reason in (None, event.state) else f" ({reason_in_words(event.reason)})"
    text = f"{in_words(event.state)}{reason}"
    return f"{text}: {event.message}" if event.message else text
