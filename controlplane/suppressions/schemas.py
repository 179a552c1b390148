"""API schemas of suppressions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from blueprint.mail_address import MailAddress
from controlplane.events.reasons import Reason
from controlplane.schemas import Page
from sender.schemas import SuppressionReason

MOST_ADDRESSES = 4000
"""In one request; of any length they fit into what a body may have."""
EXAMPLE: dict[str, Any] = {"addresses": ["bob@rcpt.example"], "reason": "manual"}
EXAMPLE_REMOVAL: dict[str, Any] = {
    "address": "bob@rcpt.example",
    "reason": "unsubscribed",
    "justification": "asked for the newsletter again, ticket 4711",
}
EXAMPLE_RESPONSE: dict[str, Any] = {
    "id": "0199b1c2-0000-7000-8000-000000000003",
    "recipient": "455068a5755b13026255a46720f967eca34621281399b02186fc9af74654e647",
    "reason": "unsubscribed",
    "source": "one-click",
    "added_by": None,
    "added_at": "2026-11-24T12:10:00Z",
}


class SuppressRequest(BaseModel):
    """Addresses that get no more mail from a tenant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    addresses: Annotated[list[MailAddress], Field(min_length=1, max_length=MOST_ADDRESSES)]
    reason: SuppressionReason = SuppressionReason.MANUAL


class Suppressed(BaseModel):
    """What a request to suppress did; addresses that differ only in case are one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"added": 1, "known": 0}]})

    added: int
    known: int
    """Suppressed for the same reason already; that row stays as it is."""


class CheckRequest(BaseModel):
    """An address to look up; in a body, since paths and queries are logged."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"address": "bob@rcpt.example"}]}
    )

    address: MailAddress


class RemovalRequest(BaseModel):
    """A suppression to remove."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE_REMOVAL]})

    address: MailAddress
    reason: SuppressionReason | None = None
    """The one to remove; null: all."""
    justification: Reason | None = None
    """Why it may be removed; required if the recipient unsubscribed or complained."""


class SuppressionView(BaseModel):
    """One reason for which a recipient gets no more mail from a tenant."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    id: UUID
    recipient: str
    """SHA-256 of the address in lower case, in hexadecimal; the address itself is not stored."""
    reason: SuppressionReason
    source: str
    """What it came from: `one-click` (the link in a mail), `api`."""
    added_by: str | None
    """Prefix of the API key of the request; null: it needed none."""
    added_at: datetime


class SuppressionPage(Page[SuppressionView]):
    """Some suppressions, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )


class SuppressionsOf(BaseModel):
    """Why an address gets no more mail, the oldest reason first; empty: it does get mail."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE]}]})

    items: list[SuppressionView]
