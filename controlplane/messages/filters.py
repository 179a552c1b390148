"""Parameters by which messages are chosen, the same for every request about several."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from blueprint.fields import Text
from blueprint.mail_address import MailAddress
from sender.schemas import State, Time
from sender.search import Filter

States = Annotated[
    list[State] | None, Query(max_length=len(State), description="one of these states")
]


def _filter_of(
    state: States = None,
    reason: Annotated[
        Text | None, Query(max_length=200, description="the code", examples=["suppressed"])
    ] = None,
    to: Annotated[
        MailAddress | None, Query(description="the recipient", examples=["bob@rcpt.example"])
    ] = None,
    sender: Annotated[
        MailAddress | None,
        Query(alias="from", description="the From address", examples=["sales@acme.example"]),
    ] = None,
    campaign: Annotated[Text | None, Query(max_length=60, examples=["autumn"])] = None,
    since: Annotated[Time | None, Query(description="queued then or later")] = None,
    until: Annotated[Time | None, Query(description="queued before")] = None,
) -> Filter:
    return Filter(
        states=state or None,
        reason=reason,
        recipient=to,
        sender=sender,
        campaign=campaign,
        since=in_utc(since),
        until=in_utc(until),
    )


def in_utc(at: datetime | None) -> datetime | None:
    """Return a time as PostgreSQL reads it: it knows no offset of 16 hours and more."""
    return None if at is None else at.astimezone(UTC)


Wanted = Annotated[Filter, Depends(_filter_of)]
