"""API schemas of holds."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from blueprint.fields import Matching
from controlplane.events.reasons import Reason
from controlplane.schemas import Page
from kit.faults import Actor
from sender.schemas import Time

EXAMPLE: dict[str, Any] = {
    "kind": "provider",
    "name": "google",
    "until": "2126-11-24T18:00:00Z",
    "reason": "Google answers every mail with 421 4.7.28",
}
END: dict[str, Any] = {
    "kind": "provider",
    "name": "google",
    "reason": "Google takes our mail again",
}
EXAMPLE_RESPONSE: dict[str, Any] = {
    "kind": "provider",
    "name": "google",
    "tenant": None,
    "code": "held",
    "words": "Google answers every mail with 421 4.7.28",
    "acts": "operator",
    "release": "`penguin holds end`, or its end, if it has one",
    "since": "2026-11-24T12:10:00Z",
    "until": "2126-11-24T18:00:00Z",
    "actor": "pm_live_3fK9aQ2z",
}


class HoldKind(StrEnum):
    """What can be held."""

    ADDRESS = "address"
    """By its IP."""
    DOMAIN = "domain"
    """A From domain."""
    MAILBOX = "mailbox"
    PROVIDER = "provider"
    """All mail to a receiving provider, `google`, or that of an address, `198.18.1.2/google`."""
    TENANT = "tenant"


Name = Annotated[
    str,
    Field(max_length=300),
    Matching(
        r"^[!-~]+$",
        "write an IP address, a domain, a mailbox, a provider, IP/provider or a tenant's name",
    ),
]


class EndRequest(BaseModel):
    """Whose hold ends, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [END]}, use_attribute_docstrings=True
    )

    kind: HoldKind
    name: Name
    """IP of the address, From domain, mailbox, provider, `198.18.1.2/google`, or tenant."""
    reason: Reason


class HoldRequest(EndRequest):
    """What sends nothing until a moment, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    until: Time | None = None
    """Null: without an end, until `penguin holds end`."""


class HoldView(BaseModel):
    """A hold that is in force."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE_RESPONSE]}, use_attribute_docstrings=True
    )

    kind: HoldKind
    name: str
    tenant: str | None
    """That sends from it; null for a provider as a whole, and for what nobody sends from any
    more."""
    code: str
    """`held`: by a person; else why the sender has held it."""
    words: str
    acts: Actor | None
    """Who must act; null for a code that this version does not know."""
    release: str | None
    """What ends it."""
    since: datetime
    until: datetime | None
    """Null: it has no end; `release` says what ends it."""
    actor: str | None
    """Prefix of the API key of the request; null: the sender."""


class HoldPage(Page[HoldView]):
    """Some holds, by kind and name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )


class Ended(BaseModel):
    """The result of ending a hold."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"changed": True}]})

    changed: bool
    """False where nothing was held."""
