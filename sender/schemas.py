"""What the API takes and shows of messages and stops."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    computed_field,
    model_validator,
)

from blueprint.fields import NO_NUL, Matching, OneLine, RuleBroken, Whole
from blueprint.mail_address import MailAddress, domain_of
from kit.faults import Actor
from sender.attachments import MOST_ATTACHMENTS, MOST_CONTENT, Attachment
from sender.faults import NO_BODY, PICTURE_WITHOUT_HTML, SAME_PICTURE, TOO_LARGE
from sender.footer import PLACEHOLDER
from sender.reasons import REASONS, REPLAY

TIME = (
    r"^2[01][0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""A time as RFC 3339 writes it, of the years 2000 to 2199, which every database can keep."""
MAX_BODY = 2_000_000
"""Characters of one alternative; what is longer belongs behind a link."""
FILLED = 2_000
"""Octets that a placeholder counts for: what it is filled with has fewer."""
EACH = FILLED // len("{{postal_address}}") + 4
"""Octets that a character counts for at most: one of the shortest placeholder."""
MOST_URGENT, LEAST_NORMAL = 50, 150
"""Bounds of the classes of priorities."""
CAMPAIGN = r"^[A-Za-z0-9_-]{1,60}$"
CAMPAIGN_REMEDY = "write 1 to 60 letters, digits, '-' and '_'"


def _written(value: object) -> object:
    """Hold a time to its form; pydantic also takes numbers and other forms."""
    if isinstance(value, datetime) or (isinstance(value, str) and re.fullmatch(TIME, value)):
        return value
    raise ValueError(
        "write a time of the years 2000 to 2199 with its offset from UTC, "
        "such as 2026-11-24T12:00:00Z"
    )


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_written),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": TIME}),
]
Name = Annotated[str, Field(max_length=200), OneLine]
Body = Annotated[
    str,
    Field(max_length=MAX_BODY),
    Matching(NO_NUL, "remove NUL: mail servers do, which breaks the signature"),
]


MessageId = Annotated[
    str,
    Matching(r"^<[!-;=?-~]{1,248}>$", "write a Message-ID with its angle brackets"),
]


class State(StrEnum):
    """The state of a message."""

    QUEUED = "queued"
    HELD = "held"
    HANDING_OVER = "handing_over"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    BOUNCED_INFRASTRUCTURE = "bounced_infrastructure"
    BOUNCED_CONTENT = "bounced_content"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


ENDED = {
    State.ACCEPTED: "",
    State.EXPIRED: "",
    State.CANCELLED: "",
    State.BOUNCED_CONTENT: "",
    State.BOUNCED_INFRASTRUCTURE: REPLAY,
}
"""What releases a message that is over: no longer what its reason says."""


class OutgoingMessage(BaseModel):
    """One message to one recipient; it needs a text, an HTML alternative or both."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    from_address: MailAddress = Field(alias="from")
    from_name: Name | None = None
    to: MailAddress
    to_name: Name | None = None
    reply_to: MailAddress | None = None
    reply_to_name: Name | None = None
    subject: Annotated[str, Field(max_length=998), OneLine]
    text: Body | None = None
    html: Body | None = None
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=MOST_ATTACHMENTS)] = ()
    """Files, and pictures that the HTML shows; with text and HTML at most 15 MB in base64."""
    in_reply_to: MessageId | None = None
    """The message that this one answers or follows."""
    references: Annotated[tuple[MessageId, ...], Field(max_length=100)] = ()
    """The thread, oldest first; ends with the message that this one follows."""
    campaign: Annotated[str, Matching(CAMPAIGN, CAMPAIGN_REMEDY)] | None = None
    """Groups messages in Feedback-ID, so that a receiver counts complaints for each."""
    transactional: Annotated[bool, Field(strict=True)] = False
    """True for mail that its recipient has asked for, such as a receipt: sent without footer and
    unsubscribe link. Needs a key with the scope `messages:transactional`."""
    priority: Annotated[int, Field(ge=1, le=1000, strict=True), Whole] = 100
    """Low is urgent: up to 50 overtakes the tenant's other mail, or with an operator's key the mail
    of all tenants; above 150 waits for everything else of the tenant."""
    run_at: Time | None = None
    """Not before this moment, at most 30 days ahead; at once when null."""
    expires_at: Time | None = None
    """Given up when it is still not sent then; at most, and when null, 30 days after `run_at`. From
    the first attempt on it is tried for 48 hours."""

    @model_validator(mode="after")
    def _has_body(self) -> OutgoingMessage:
        if self.text is None and self.html is None:
            raise RuleBroken(NO_BODY)
        return self

    @model_validator(mode="after")
    def _fits(self) -> OutgoingMessage:
        texts = (self.text or "", self.html or "")
        size = sum(len(item.content) for item in self.attachments)
        if size + EACH * sum(map(len, texts)) <= MOST_CONTENT:  # so that most are not counted
            return self
        size += sum(len(text.encode()) + FILLED * len(PLACEHOLDER.findall(text)) for text in texts)
        if size > MOST_CONTENT:
            raise RuleBroken(TOO_LARGE, size=size, limit=MOST_CONTENT)
        return self

    @model_validator(mode="after")
    def _has_shown_pictures(self) -> OutgoingMessage:
        seen: set[str] = set()
        for index, item in enumerate(self.attachments):
            if item.content_id is None:
                continue
            path = ("attachments", index, "content_id")
            if self.html is None:
                raise RuleBroken(PICTURE_WITHOUT_HTML, *path, content_id=item.content_id)
            if item.content_id in seen:
                raise RuleBroken(SAME_PICTURE, *path, content_id=item.content_id)
            seen.add(item.content_id)
        return self

    @property
    def from_domain(self) -> str:
        """The domain that DKIM and the return path align with."""
        return domain_of(self.from_address)

    @property
    def queue(self) -> QueueName:
        """The class of its priority."""
        return QueueName.of(self.priority)


class QueueName(StrEnum):
    """The class that a priority belongs to."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @classmethod
    def of(cls, priority: int) -> QueueName:
        """Return the class of a priority."""
        if priority <= MOST_URGENT:
            return cls.HIGH
        return cls.NORMAL if priority <= LEAST_NORMAL else cls.LOW


class StopScope(StrEnum):
    """What a stop holds back, the widest first."""

    PLATFORM = "platform"
    TENANT = "tenant"
    QUEUE = "queue"
    PROVIDER = "provider"
    DOMAIN = "domain"
    MAILBOX = "mailbox"
    CAMPAIGN = "campaign"
    ADDRESS = "address"


class Stop(BaseModel):
    """A stop that is in force."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    scope: StopScope
    tenant_id: UUID | None
    """None: the platform, or a queue or a provider for all tenants."""
    name: str | None
    """Null for platform and tenant."""
    reason: str
    actor: str
    """Prefix of the API key of the request."""
    by_operator: bool
    """An operator's stop ends by an operator only."""
    since: datetime

    @property
    def sentence(self) -> str:
        """Return what is stopped and why."""
        what = f"{self.scope} {self.name}" if self.name else f"the {self.scope}"
        return f"mail is stopped for {what}: {self.reason}"


class SuppressionReason(StrEnum):
    """Why a tenant's recipient gets no more mail."""

    UNSUBSCRIBED = "unsubscribed"
    """The recipient asked for no more mail."""
    BOUNCED = "bounced"
    """The address takes no mail."""
    COMPLAINED = "complained"
    """The recipient called a mail spam."""
    MANUAL = "manual"
    """The tenant, or an operator, decided so."""


class Suppression(BaseModel):
    """One reason for which a recipient is suppressed."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    tenant_id: UUID
    recipient: str
    """SHA-256 of the address in lower case, in hexadecimal; the address itself is not stored."""
    reason: SuppressionReason
    source: str
    """What it came from: `one-click` (the link in a mail), `api`."""
    added_by: str | None
    """Prefix of the API key of the request; null: it needed none."""
    added_at: datetime


class MessageView(BaseModel):
    """One message with its state."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=True)

    id: UUID
    tenant_id: UUID
    state: State
    reason: str | None
    """A stable code such as `warmup_cap_reached`; null while queued."""
    from_address: str = Field(alias="from")
    to: str
    subject: str
    message_id: str
    """The Message-ID header, with its angle brackets."""
    campaign: str | None
    priority: int
    attempts: int
    run_at: datetime
    expires_at: datetime
    """When it is given up, if it is not sent before; changes with the first attempt."""
    address: str | None
    """Name of the sending address (`mx1-2`); null before one was used."""
    queue_id: str | None
    """Queue id of our own host, from its answer `250 … queued as ID`."""
    created_at: datetime
    finished_at: datetime | None


class Decision(BaseModel):
    """One step in the life of a message."""

    at: datetime
    kind: str
    """`enqueued`, `held`, `decided`, `handing_over`, `outcome`."""
    state: State
    reason: str | None
    message: str
    """The step in words, for people."""
    details: dict[str, str | int | None]
    """Facts behind it: address, ip, helo, queue_id, reply, until, attempt, …"""


class MessageEvent(BaseModel):
    """What became of a message at one moment."""

    id: str
    """Also the cursor of what follows."""
    message_id: UUID
    at: datetime
    state: State
    reason: str | None
    message: str
    """In words, for people."""
    details: dict[str, str | int | None]
    """Facts behind it, as in `Decision`."""


class Meaning(BaseModel):
    """What a reason means; `docs/reference/reasons.md` lists all."""

    words: str
    acts: Actor
    """Who must act before the message goes on."""
    release: str | None
    """What releases it; null where it has ended."""


class Explanation(BaseModel):
    """A message with every decision about it, oldest first."""

    message: MessageView
    stops: list[Stop]
    """Stops that hold it back now, also before a decision about it."""
    decisions: list[Decision]

    @computed_field  # type: ignore[prop-decorator]  # pydantic documents it so
    @property
    def meaning(self) -> Meaning | None:
        """What the message's reason means; null without one, and for the code of an error."""
        reason = REASONS.get(self.message.reason)
        if reason is None:
            return None
        release = ENDED.get(self.message.state, reason.release)
        return Meaning(words=reason.words, acts=reason.acts, release=release or None)
