"""Figures of the queue and of its traffic."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

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
