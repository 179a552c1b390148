"""API schemas of the queue."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from blueprint.fields import Matching, RuleBroken
from blueprint.tenant import DOMAIN_PATTERN
from controlplane.events.reasons import Reason
from controlplane.faults import NO_SELECTION
from controlplane.schemas import Page
from kit.faults import Actor
from sender.schemas import Time

MOST_IDS = 1000
ID = "0199b1c2-0000-7000-8000-000000000001"
ID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
SELECTION: dict[str, Any] = {
    "tenant": "acme",
    "code": "domain_not_verified",
    "recipient_domain": "rcpt.example",
    "reason": "the campaign was called off",
}
RESOLUTION: dict[str, Any] = {
    "ids": [ID],
    "delivered": True,
    "reason": "mx1 has it in its log as 4fXyZ12k3mz9qR",
}
RECOVERY: dict[str, Any] = {
    "since": "2026-11-24T12:00:00Z",
    "treat_as": "unknown",
    "reason": "restored from the backup of noon",
}
HELD: dict[str, Any] = {
    "id": 7,
    "tenant": "acme",
    "bucket": "sales@acme.example",
    "mails": 1200,
    "has_more": False,
    "code": "warmup_cap_reached",
    "words": "every address has reached its cap of at most 50 a day",
    "acts": "nobody",
    "release": "the next UTC day",
    "since": "2026-11-24T12:10:00Z",
    "until": "2026-11-25T00:00:00Z",
    "oldest_due_at": "2026-11-24T09:00:00Z",
}
CHANGED: dict[str, Any] = {"changed": 1200, "next": f"{ID}/{ID}/1796000000000000"}
RELEASED: dict[str, Any] = {
    "changed": 3,
    "next": None,
    "ended": ["address 198.18.1.2", "provider 198.18.1.2/google"],
    "kept": [
        {
            "code": "warmup_cap_reached",
            "buckets": 1,
            "acts": "nobody",
            "release": "the next UTC day",
        }
    ],
}
UNKNOWN: dict[str, Any] = {
    "id": ID,
    "tenant": "acme",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "address": "mx1-2",
    "code": "worker_lost",
    "since": "2026-11-24T12:10:00Z",
}
DEAD: dict[str, Any] = {
    "id": ID,
    "tenant": "acme",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "attempts": 1,
    "code": "envelope_refused",
    "words": "rejected by mx1-2.acme.example",
    "died_at": "2026-11-24T12:10:00Z",
    "can_be_replayed": True,
}
QUEUE: dict[str, Any] = {
    "is_restored": False,
    "workers": 2,
    "unserved_slots": 0,
    "depths": [
        {
            "state": "due",
            "code": None,
            "mails": 12,
            "oldest_seconds": 0.4,
            "is_estimate": False,
        }
    ],
}

TOP: dict[str, Any] = QUEUE | {
    "rates": [{"state": "accepted", "code": "accepted", "per_second": 116.2}],
    "wait_p50": 0.08,
    "wait_p95": 0.31,
    "buckets": [
        {
            "tenant": "acme",
            "bucket": "sales@acme.example",
            "mails": 12,
            "has_more": False,
            "oldest_seconds": 0.4,
            "is_held": False,
            "code": None,
            "until": None,
            "release": None,
            "per_hour": 6.25,
            "in_work": 2,
        }
    ],
    "tenants": [{"tenant": "acme", "handed_over": 6972, "per_second": 116.2}],
    "addresses": [
        {
            "tenant": "acme",
            "name": "mx1-2",
            "ip": "198.18.1.2",
            "in_hand": 8,
            "waiting": 2,
            "connections": 3,
            "limit": 8,
            "breaker": "closed",
            "reason": None,
        }
    ],
    "shown_senders": 2,
}

Name = Annotated[
    str,
    Field(max_length=63),
    Matching(r"^[a-z0-9-]+$", "write the name of a tenant"),
]
MailId = Annotated[str, Matching(ID_PATTERN, "write the id of a message")]
Ids = Annotated[list[MailId], Field(min_length=1, max_length=MOST_IDS)]
Code = Annotated[
    str,
    Field(max_length=100),
    Matching(r"^[a-z0-9_.]+$", "write a code such as warmup_cap_reached"),
]
RecipientDomain = Annotated[
    str,
    Field(max_length=253),
    Matching(
        DOMAIN_PATTERN,
        "write a domain name in lower case, one with other letters as in DNS: xn--mnchen-3ya.de",
    ),
]


Place = Annotated[
    str,
    Matching(
        f"{ID_PATTERN[:-1]}/{ID_PATTERN[1:-1]}/[0-9]{{16}}$", "give `next` of the answer before"
    ),
]


class SelectionRequest(BaseModel):
    """Mail for which all that is given is true, and why something is done with it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [SELECTION]},
        use_attribute_docstrings=True,
    )

    tenant: Name | None = None
    code: Code | None = None
    """The reason for which it is held or deferred, or has died."""
    recipient_domain: RecipientDomain | None = None
    ids: Ids | None = None
    reason: Reason
    """Recorded with the event."""
    after: Place | None = None
    """`next` of the answer to the same request before."""

    @model_validator(mode="after")
    def _selects(self) -> SelectionRequest:
        if (self.tenant, self.code, self.recipient_domain, self.ids) == (None,) * 4:
            raise RuleBroken(NO_SELECTION)
        return self


class Changed(BaseModel):
    """The result of one step of a change in bulk."""

    model_config = ConfigDict(json_schema_extra={"examples": [CHANGED]})

    changed: int
    """Mails; with `release` buckets. May be 0 while there are more."""
    next: str | None = None
    """Not null: there may be more; repeat the request with this as `after`."""


class KeptView(BaseModel):
    """Buckets that are held again for another reason."""

    code: str
    buckets: int
    acts: Actor | None
    """Who must act; null for a reason that this version does not know."""
    release: str | None
    """What releases them."""


class Released(Changed):
    """What was released, and what was not."""

    model_config = ConfigDict(json_schema_extra={"examples": [RELEASED]})

    ended: list[str]
    """Whose holds have ended: addresses, also at one provider, domains, mailboxes, tenants."""
    kept: list[KeptView]
    """Of the buckets that were released, those that are held again at once."""


class ResolveRequest(BaseModel):
    """What became of mails of unknown outcome, and how that was found out."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [RESOLUTION]},
        use_attribute_docstrings=True,
    )

    ids: Ids
    delivered: Annotated[bool, Field(strict=True)]
    """False: they are sent again."""
    reason: Reason


class TreatAs(StrEnum):
    """What is done with mail that may have been handed over."""

    UNKNOWN = "unknown"
    RESEND = "resend"


class RecoverRequest(BaseModel):
    """What to do with what was in work, or due, when the database was restored or promoted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [RECOVERY]},
        use_attribute_docstrings=True,
    )

    since: Time
    """The database knows everything before this moment; when in doubt, a later one."""
    treat_as: TreatAs
    """`unknown`: it waits until its outcome is resolved. `resend`: it is sent, perhaps again."""
    reason: Reason


class Recovered(BaseModel):
    """The result of one step of a recovery."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"claimed": 12, "waiting": 800, "is_done": True}]}
    )

    claimed: int
    """Mails that were in work."""
    waiting: int
    """Mails that were due."""
    is_done: bool
    """False: there are more; repeat the request. True: sending goes on."""


class DepthView(BaseModel):
    """Mails of one state and reason."""

    state: str
    """`due`, `held`, `scheduled`, `claimed`, `begun`, `unknown` or `dead`."""
    code: str | None
    mails: int
    oldest_seconds: float
    """How long the first one has been due (and, if it is `due`, not held), or in this state."""
    is_estimate: bool
    """True: the queue is large, and this was found in a sample of it."""


class QueueView(BaseModel):
    """The queue at one moment."""

    model_config = ConfigDict(json_schema_extra={"examples": [QUEUE]})

    is_restored: bool
    """True: the database was restored or promoted, and nothing is sent before a recovery."""
    workers: int
    unserved_slots: int
    """Of 256; nobody sends the mail of their tenants."""
    depths: list[DepthView]


class RateView(BaseModel):
    """Outcomes of the last minute."""

    state: str
    code: str | None
    per_second: float


class BucketView(BaseModel):
    """A bucket with due mail."""

    tenant: str | None
    bucket: str
    mails: int
    has_more: bool
    """True: it has more, which were not counted."""
    oldest_seconds: float
    """How long the first one has been due and, where it is not held, not held."""
    is_held: bool
    code: str | None
    until: datetime | None
    """Null where it is held: it has no end of its own; `release` says what releases it."""
    release: str | None
    """Null: it is not held, or for a reason that this version does not know."""
    per_hour: float | None
    """Mails that leave in an hour, where a day's mail is spread; null: not spread, or not shown."""
    in_work: int | None
    """Mails that a sender has in hand; null: no sender shows it."""


class TrafficView(BaseModel):
    """What was handed over of a tenant's mail in the last minute."""

    tenant: str | None
    """Null: the tenant is gone."""
    handed_over: int
    per_second: float


class AddressTrafficView(BaseModel):
    """The connections of one sender to a sending address."""

    tenant: str | None
    """Null: nobody sends from it any more."""
    name: str
    ip: str
    in_hand: int
    """Mails, also those that wait."""
    waiting: int
    """Mails without a connection."""
    connections: int
    limit: int
    """Connections at the same time that the address is trusted with."""
    breaker: str
    """`closed`: it gets mail; after a failure `open`, `half_open` or `probing`."""
    reason: str | None
    """What it failed with."""


class TopView(QueueView):
    """The queue and the traffic of the last minute."""

    model_config = ConfigDict(json_schema_extra={"examples": [TOP]})

    rates: list[RateView]
    wait_p50: float | None
    """Seconds from due, and not held, to handed over; null: nothing was handed over."""
    wait_p95: float | None
    buckets: list[BucketView]
    """Those whose mail waits longest, held ones last."""
    tenants: list[TrafficView]
    """Those of which most was handed over in the last minute."""
    addresses: list[AddressTrafficView]
    """Those with most mail in hand, as senders show them."""
    shown_senders: int
    """Senders that show their connections and rates; fewer than `workers` while Redis is away."""


class HeldView(BaseModel):
    """A bucket whose mail waits together."""

    model_config = ConfigDict(json_schema_extra={"examples": [HELD]})

    id: int
    tenant: str | None
    """Null: the tenant is gone."""
    bucket: str
    mails: int
    has_more: bool
    """True: it has more, which were not counted."""
    code: str
    words: str | None
    acts: Actor | None
    """Who must act; null for a reason that this version does not know."""
    release: str | None
    """What releases it."""
    since: datetime
    until: datetime | None
    """Null: it has no end of its own; `release` says what releases it."""
    oldest_due_at: datetime


class HeldPage(Page[HeldView]):
    """Some held buckets."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [HELD], "next": None}]})


class UnknownView(BaseModel):
    """A mail of unknown outcome."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [UNKNOWN]}, validate_by_alias=True, validate_by_name=True
    )

    id: UUID
    tenant: str | None
    sender: str | None = Field(alias="from")
    recipient: str | None = Field(alias="to")
    address: str | None
    """The address that it was handed over to; null: no hand-over is known."""
    code: str | None
    since: datetime


class UnknownPage(Page[UnknownView]):
    """Some mails of unknown outcome, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [UNKNOWN], "next": None}]})


class DeadView(BaseModel):
    """A dead letter."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [DEAD]}, validate_by_alias=True, validate_by_name=True
    )

    id: UUID
    tenant: str | None
    sender: str | None = Field(alias="from")
    recipient: str | None = Field(alias="to")
    attempts: int
    code: str | None
    words: str | None
    died_at: datetime
    can_be_replayed: bool
    """False: its content was erased."""


class DeadPage(Page[DeadView]):
    """Some dead letters, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [DEAD], "next": None}]})
