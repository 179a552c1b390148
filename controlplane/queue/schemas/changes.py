"""What operators do with mail of the queue, and what has come of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from blueprint.fields import Matching, RuleBroken
from blueprint.tenant import DOMAIN_PATTERN
from controlplane.events.reasons import Reason
from controlplane.faults import NO_SELECTION
from controlplane.queue.schemas import ID
from kit.faults import Actor
from sender.schemas import Time

MOST_IDS = 1000
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
    """The reason for which it is held or deferred, has died, or is of unknown outcome."""
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


class ResolveRequest(SelectionRequest):
    """What became of mails of unknown outcome, and how that was found out."""

    model_config = ConfigDict(json_schema_extra={"examples": [RESOLUTION]})

    delivered: Annotated[bool, Field(strict=True)]
    """False: they are sent again."""


class TreatAs(StrEnum):
    """What is done with mail that may have been handed over."""

    UNKNOWN = "unknown"
    ALL_UNKNOWN = "all_unknown"
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
    """`unknown`: it waits until its outcome is resolved; `all_unknown`: so does held mail, which
    people may have released since. `resend`: it is sent, perhaps again."""
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
