"""API schemas of warm-ups."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from blueprint.fields import Matching, Whole
from blueprint.tenant import Warmup
from controlplane.events.reasons import Reason
from controlplane.holds.schemas import HoldView
from controlplane.schemas import Page

EXAMPLE: dict[str, Any] = {
    "kind": "address",
    "name": "198.18.1.2",
    "day": 12,
    "reason": "it has sent for three years elsewhere",
}
EXAMPLE_RESPONSE: dict[str, Any] = {
    "kind": "address",
    "name": "198.18.1.2",
    "tenant": "acme",
    "curve": "standard",
    "day": 12,
    "cap": 108,
    "target": 1200,
    "good_days_to_target": 28,
    "started": "2026-11-10",
    "good_days": 11,
    "steps_back": 0,
    "last_used": "2026-11-24",
    "used_today": 40,
    "daily_cap": None,
    "set_by": None,
    "set_reason": None,
    "hold": None,
}
ALL: dict[str, Any] = {"day": 1000, "reason": "it has sent for three years elsewhere"}
ALL_SET: dict[str, Any] = {
    "tenant": "acme",
    "day": 1000,
    "addresses": 2,
    "providers": 26,
    "domains": 1,
    "mailboxes": 1,
}
LONGEST = 300


class WarmUpKind(StrEnum):
    """What has a warm-up of its own."""

    ADDRESS = "address"
    """By its IP: another IP at the same name starts on day 1."""
    DOMAIN = "domain"
    MAILBOX = "mailbox"
    PROVIDER = "provider"
    """An address at one receiving provider: `198.18.1.2/google`."""


Name = Annotated[
    str,
    Field(max_length=LONGEST),
    Matching(r"^[!-~]+$", "write an IP address, a domain, a mailbox or IP/provider"),
]


Day = Annotated[int, Field(ge=1, le=1000, strict=True), Whole]


class WarmUpRequest(BaseModel):
    """The day of its curve that a subject is on, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    kind: WarmUpKind
    name: Name
    """IP of the address, From domain, mailbox, or `198.18.1.2/google`."""
    day: Day
    """1 restarts it; a day beyond the curve is its end."""
    reason: Reason


class WarmUpView(BaseModel):
    """The warm-up of one subject."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    kind: WarmUpKind
    name: str
    tenant: str
    curve: Warmup
    day: int
    """Of the curve; grows with each good sending day."""
    cap: int
    """Mails on this day, by the curve."""
    daily_cap: int | None
    """Of a mailbox, by its document: the lower one of both applies."""
    target: int
    good_days_to_target: int
    started: date | None
    """Null: nothing was counted yet."""
    good_days: int
    """Days that counted."""
    steps_back: int
    """Days that two holds in a week took back."""
    last_used: date | None
    used_today: int
    """Hand-overs of this UTC day."""
    set_by: str | None
    """Prefix of the API key that set the day last."""
    set_reason: str | None
    hold: HoldView | None
    """Why it sends nothing for now, and until when; a tenant's own hold is not shown here."""


class WarmUpPage(Page[WarmUpView]):
    """Some warm-ups, by kind and name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )


class TenantWarmUpRequest(BaseModel):
    """The day that everything of a tenant is on, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [ALL]}, use_attribute_docstrings=True
    )

    day: Day
    """1 restarts it; a day beyond a curve is its end."""
    reason: Reason


class TenantWarmUp(BaseModel):
    """How many warm-ups of a tenant were set."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [ALL_SET]}, use_attribute_docstrings=True
    )

    tenant: str
    day: int
    addresses: int
    providers: int
    """At which each of the addresses was set."""
    domains: int
    mailboxes: int
