"""What callers of the sender exchange with it: a message to send, its view, its explanation."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = rf"^{ATOM}(\.{ATOM})*@({LABEL}\.)+{LABEL}$"
"""An ASCII address (RFC 5321 dot-string, domain in Punycode); nothing in it can end a header."""
LOCAL_PART = 64
"""RFC 5321 4.5.3.1.1."""
BREAKS = frozenset({"Cc", "Zl", "Zp"})
"""Unicode categories of control characters and line ends."""
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
MAX_BODY = 2_000_000
"""Characters of one alternative; what is longer belongs behind a link."""


def _mailable(value: str) -> str:
    """Say in words what the pattern says to programs."""
    if not re.fullmatch(ADDRESS, value):
        raise ValueError(
            "give a mail address such as bob@example.com, other letters in its domain "
            "in Punycode (xn--…)"
        )
    if value.index("@") > LOCAL_PART:
        raise ValueError(f"use at most {LOCAL_PART} characters before the @")
    return value


MailAddress = Annotated[
    str, Field(max_length=254, json_schema_extra={"pattern": ADDRESS}), AfterValidator(_mailable)
]


class State(StrEnum):
    """Where a message is."""

    QUEUED = "queued"
    MIGRATED = "migrated_to_redis"
    HELD = "held"
    HANDING_OVER = "handing_over"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    BOUNCED_INFRASTRUCTURE = "bounced_infrastructure"
    BOUNCED_CONTENT = "bounced_content"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class OutgoingMessage(BaseModel):
    """One message to one recipient, as the API takes it: `{"from", "to", "subject", "text"}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    from_address: MailAddress = Field(alias="from")
    from_name: str | None = Field(default=None, max_length=200)
    to: MailAddress
    to_name: str | None = Field(default=None, max_length=200)
    reply_to: MailAddress | None = None
    subject: str = Field(max_length=998)
    text: str | None = Field(default=None, max_length=MAX_BODY)
    html: str | None = Field(default=None, max_length=MAX_BODY, validate_default=True)
    campaign: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,60}$")
    """Groups messages in Feedback-ID, so that a receiver's complaint figures can be told apart."""
    priority: int = Field(default=100, ge=1, le=1000)
    """Low is urgent: up to 50 overtakes, above 150 waits for everything else."""
    run_at: AwareDatetime | None = Field(default=None, lt=LATEST)
    """Not before this moment; at once when None."""

    @field_validator("subject", "from_name", "to_name")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and any(unicodedata.category(letter) in BREAKS for letter in value):
            raise ValueError("write it without control characters and line breaks")
        return value

    @field_validator("text", "html")
    @classmethod
    def _no_nul(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("remove NUL: mail servers do, which breaks the signature")
        return value

    @field_validator("html")
    @classmethod
    def _has_body(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("text", "") is None:
            raise ValueError("give text, html or both")
        return value

    @property
    def from_domain(self) -> str:
        """The domain that DKIM and the return path align with, lower case."""
        return self.from_address.rpartition("@")[2].lower()


class StopScope(StrEnum):
    """What a stop holds back."""

    PLATFORM = "platform"
    TENANT = "tenant"
    DOMAIN = "domain"
    ADDRESS = "address"


class Stop(BaseModel):
    """A stop that is in force."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    scope: StopScope
    tenant_id: UUID | None
    """None: the platform."""
    name: str | None
    """Of the domain or the address."""
    reason: str
    actor: str
    """Prefix of the API key that asked for it."""
    by_operator: bool
    """An operator's stop ends by an operator only."""
    since: datetime

    @property
    def sentence(self) -> str:
        """Return what is stopped and why."""
        what = f"{self.scope} {self.name}" if self.name else f"the {self.scope}"
        return f"mail is stopped for {what}: {self.reason}"


class MessageView(BaseModel):
    """One message as it stands."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=True)

    id: UUID
    tenant_id: UUID
    state: State
    reason: str | None
    """Why it is where it is: a stable code such as `warmup_cap_reached`; None while queued."""
    from_address: str = Field(alias="from")
    to: str
    subject: str
    message_id: str
    """The Message-ID header, with its angle brackets."""
    priority: int
    attempts: int
    run_at: datetime
    address: str | None
    """Name of the sending address (`mx1-2`) once one was used."""
    queue_id: str | None
    """Queue id of our own host, from its answer `250 … queued as ID`."""
    created_at: datetime
    finished_at: datetime | None


class Decision(BaseModel):
    """One step in the life of a message."""

    at: datetime
    kind: str
    """`enqueued`, `migrated`, `decided`, `handing_over`, `outcome`, `recovered`."""
    state: State
    reason: str | None
    message: str
    """The step in words, for people."""
    details: dict[str, str | int | None]
    """Facts behind it: address, ip, helo, queue_id, reply, until, attempt, …"""


class Explanation(BaseModel):
    """A message with every decision about it, oldest first."""

    message: MessageView
    stops: list[Stop]
    """What holds it back at this moment, also where no decision has met it yet."""
    decisions: list[Decision]
