"""Answers why a message is where it is, from its record, its events and the hold of its bucket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from blueprint.mail_address import domain_of, folded
from sender.database import SQL, Connection
from sender.faults import MESSAGE_NOT_FOUND
from sender.outbox import created_at, message_id, provider_of
from sender.reasons import STOPPED
from sender.schemas import Decision, Explanation, MessageView, QueueName, State, Stop, StopScope
from sender.stops import Mail, holding, stops_of

CONTENT = frozenset({"too_big", "envelope_refused", "content_refused", "bare_line_break"})
"""Reasons of dead messages that no host of ours would take."""
SETTLED = {
    "done": State.ACCEPTED,
    "unknown": State.UNKNOWN,
    "cancelled": State.CANCELLED,
    "expired": State.EXPIRED,
}
WORDS = {
    State.EXPIRED: "expired before it was sent",
    State.UNKNOWN: "the sender ended during the hand-over; it is not sent again",
    State.DEFERRED: "not tried to its end; it is tried again",
}
"""What is said of an outcome that comes without words."""


MailboxOf = Callable[[MessageView], Awaitable[str | None]]


async def explain(
    connection: Connection, message: str | UUID, *, mailbox_of: MailboxOf | None = None
) -> Explanation:
    """Explain one message by our id or by its Message-ID header, with or without brackets.

    `mailbox_of` names the mailbox of a message, whose stops hold it: without it, its From address.
    Raises MESSAGE_NOT_FOUND, also for a message that the connection's tenant may not see.
    """
    row = await _find(connection, message)
    view = view_of(row)
    events = await connection.execute(SQL.events, {"id": view.id})
    recorded = [_decision(event) for event in events]
    return Explanation(
        message=view,
        stops=await _stops(connection, row, view, await mailbox_of(view) if mailbox_of else None),
        decisions=[_queued(view), *recorded, *_present(row, view, recorded)],
    )


async def find(connection: Connection, message: str | UUID) -> MessageView:
    """Return one message as it stands; raises MESSAGE_NOT_FOUND."""
    return view_of(await _find(connection, message))


async def _find(connection: Connection, message: str | UUID) -> Row[Any]:
    wanted = str(message).strip().strip("<>")
    row = (await connection.execute(SQL.view, {"id": _as_id(wanted)})).first()
    is_header = "@" in wanted
    if row is None or (is_header and f"<{wanted}>" != message_id(row.id, row.sender)):
        raise MESSAGE_NOT_FOUND(id=wanted)
    return row


def _as_id(text: str) -> UUID | None:
    """Return the id of a message, which its Message-ID begins with."""
    try:
        return UUID(text.partition("@")[0])
    except ValueError:
        return None


def _state(row: Row[Any]) -> State:
    if row.state == "dead":
        is_content = row.reason in CONTENT
        return State.BOUNCED_CONTENT if is_content else State.BOUNCED_INFRASTRUCTURE
    if row.state in SETTLED:
        return SETTLED[row.state]
    if row.begun_at is not None:
        return State.HANDING_OVER
    if row.is_held:
        return State.HELD
    return State.QUEUED if row.state == "queued" else State.DEFERRED


def view_of(row: Row[Any]) -> MessageView:
    """Return the message of a row."""
    state = _state(row)
    is_settled = row.state not in ("queued", "retry")
    address, _, queue_id = (row.begun_note or row.note or "").partition(" ")
    return MessageView(
        id=row.id,
        tenant_id=row.tenant_id,
        state=state,
        reason=row.hold_reason if state is State.HELD else row.reason,
        from_address=row.sender,
        to=row.recipient,
        subject=row.subject,
        message_id=message_id(row.id, row.sender),
        campaign=row.campaign,
        priority=row.priority,
        attempts=row.attempts + (state is State.HANDING_OVER),
        run_at=(row.held_until if state is State.HELD else None) or row.due_at,
        expires_at=row.expires_at,
        address=address or None,
        queue_id=queue_id or None,
        created_at=created_at(row.id),
        finished_at=row.changed_at if is_settled else None,
    )


def _queued(view: MessageView) -> Decision:
    return Decision(
        at=view.created_at,
        kind="enqueued",
        state=State.QUEUED,
        reason=None,
        message=f"queued for {view.to}",
        details={},
    )


def _decision(event: Row[Any]) -> Decision:
    return Decision(
        at=event.at,
        kind=event.kind,
        state=event.state,
        reason=event.reason,
        message=event.words,
        details=event.details,
    )


def _present(row: Row[Any], view: MessageView, recorded: list[Decision]) -> list[Decision]:
    """Return where the message is now, if no event says so."""
    if view.state is State.HELD:
        until = row.held_until
        details = {"until": None if until is None else until.isoformat()}
        return [_now(view, row.held_at, "held", row.hold_words or row.hold_reason, details)]
    if view.state is State.HANDING_OVER:
        words = f"hand-over to {view.address}"
        return [_now(view, row.begun_at, "handing_over", words, {"address": view.address})]
    last = recorded[-1] if recorded else None
    is_recorded = last and last.state is view.state and view.reason in (None, last.reason)
    if view.state is State.QUEUED or is_recorded:
        return []
    words = WORDS.get(view.state, "")
    return [_now(view, row.changed_at, "outcome", words, {"address": view.address})]


def _now(
    view: MessageView, at: Any, kind: str, words: str, details: dict[str, str | int | None]
) -> Decision:
    return Decision(
        at=at, kind=kind, state=view.state, reason=view.reason, message=words, details=details
    )


async def _stops(
    connection: Connection, row: Row[Any], view: MessageView, mailbox: str | None
) -> list[Stop]:
    """Return the stops that hold a message now.

    Of the addresses only the home counts: a stop of another one holds nothing back. Without a home,
    those of addresses hold what nothing else stops.
    """
    if view.finished_at is not None:
        return []
    domain = domain_of(view.from_address)
    provider = await provider_of(connection, row.bucket)
    home = {"tenant_id": view.tenant_id, "domain": domain, "provider": provider}
    mail = Mail(
        domain=domain,
        mailbox=folded(mailbox or view.from_address),
        campaign=None if view.campaign is None else view.campaign.lower(),
        queue=QueueName.of(view.priority),
        provider=provider,
        address=await connection.scalar(SQL.home_of, home),
    )
    stops = await stops_of(connection, view.tenant_id)
    found = holding(stops, mail, tenant_id=view.tenant_id)
    if found or (view.state, view.reason) != (State.HELD, STOPPED):
        return found
    return [stop for stop in stops if stop.scope is StopScope.ADDRESS]
