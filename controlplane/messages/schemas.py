"""API schemas of messages, beside those of the sender."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from blueprint.fields import Matching, Text
from controlplane.events.reasons import Reason
from controlplane.schemas import Page
from sender.schemas import MessageEvent, MessageView, OutgoingMessage

MOST = 1000
"""Messages of a batch."""
EXAMPLE: dict[str, Any] = {
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "subject": "Hello",
    "text": "Hello Bob",
}


ID = "0199b1c2-0000-7000-8000-000000000001"
EXAMPLE_RESPONSE: dict[str, Any] = {
    "id": ID,
    "tenant_id": "0199b1c2-0000-7000-8000-000000000000",
    "state": "accepted",
    "reason": "accepted",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "subject": "Hello",
    "message_id": "<0199b1c2000070008000000000000001@acme.example>",
    "campaign": None,
    "priority": 100,
    "attempts": 1,
    "run_at": "2026-11-24T12:10:00Z",
    "expires_at": "2026-11-26T12:10:00Z",
    "address": "mx1-2",
    "queue_id": "4fXyZ12k3mz9qR",
    "created_at": "2026-11-24T12:10:00Z",
    "finished_at": "2026-11-24T12:10:01Z",
}
EXAMPLE_EVENT: dict[str, Any] = {
    "id": "7310-42",
    "message_id": ID,
    "at": "2026-11-24T12:10:01Z",
    "state": "accepted",
    "reason": "accepted",
    "message": "accepted by mx1-2.acme.example",
    "details": {"address": "mx1-2", "queue_id": "4fXyZ12k3mz9qR"},
}
EXPLAINED: dict[str, Any] = {
    "message": EXAMPLE_RESPONSE,
    "stops": [],
    "decisions": [
        {
            "at": "2026-11-24T12:10:00Z",
            "kind": "enqueued",
            "state": "queued",
            "reason": None,
            "message": "queued",
            "details": {},
        }
    ],
    "meaning": {"words": "our host has accepted it", "acts": "nobody", "release": None},
}


class Queued(BaseModel):
    """A message that will be sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": ID}]})

    id: UUID


class Batch(BaseModel):
    """Messages that are queued together."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"messages": [EXAMPLE]}]},
    )

    messages: Annotated[tuple[OutgoingMessage, ...], Field(max_length=MOST)]
    """All are queued, or none."""
    _mistakes: Sequence[Mapping[str, Any]] = PrivateAttr(())
    _numbers: Sequence[int] | None = PrivateAttr(None)

    @property
    def mistakes(self) -> Sequence[Mapping[str, Any]]:
        """What is wrong in the form of the request, as pydantic says it."""
        return self._mistakes

    @property
    def numbers(self) -> Sequence[int]:
        """Where the messages stood in the request: those whose form is wrong are left out."""
        return range(len(self.messages)) if self._numbers is None else self._numbers

    @classmethod
    def with_mistakes(cls, value: object, handler: ValidatorFunctionWrapHandler) -> Batch:
        """Read the messages whose form is right beside mistakes: all is refused in one answer."""
        try:
            read: Batch = handler(value)
        except ValidationError as error:
            mistakes = error.errors()
            wrong = {one["loc"][1] for one in mistakes if _is_of_message(one)}
            right = dict(_right(value, wrong))
            read = cls.model_construct(messages=tuple(right.values()))
            read._mistakes, read._numbers = mistakes, tuple(right)  # noqa: SLF001 - of this class
        return read


def _is_of_message(mistake: Mapping[str, Any]) -> bool:
    """Tell whether a mistake is in one of the messages."""
    return len(mistake["loc"]) > 1 and mistake["loc"][0] == "messages"


def _right(batch: object, wrong: Container[int | str]) -> Iterator[tuple[int, OutgoingMessage]]:
    """Yield the messages of a batch, with their numbers, whose form is not wrong."""
    given = batch.get("messages") if isinstance(batch, dict) else None
    if isinstance(given, list) and len(given) <= MOST:
        for number, message in enumerate(given):
            if number not in wrong:
                yield number, OutgoingMessage.model_validate(message)


GivenBatch = Annotated[Batch, WrapValidator(Batch.with_mistakes)]
"""A batch with what is wrong in it."""


class QueuedBatch(BaseModel):
    """Messages that will be sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [{"id": ID}]}]})

    items: list[Queued]
    """In the order of the request."""


class MessagePage(Page[MessageView]):
    """Some messages, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )


class CancelledPage(BaseModel):
    """What became of some messages that waited."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cancelled": [ID], "in_work": [], "next": None}]}
    )

    cancelled: list[UUID]
    in_work: list[UUID]
    """In the hands of the sender: not cancelled; they leave, or wait again in a moment."""
    next: str | None
    """Cursor of the request that goes on; null: there were no more."""


class MessageEventPage(BaseModel):
    """Some events, oldest first; `next` is never null: later events follow it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_EVENT], "next": "7310-42"}]}
    )

    items: list[MessageEvent]
    next: str


HASH = "b5c1e2d0f6a7489c8d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c"
RecipientHash = Annotated[
    str,
    Matching(r"^[0-9a-f]{64}$", "write the SHA-256 of the address in lower case, in hexadecimal"),
]


class ErasureRequest(BaseModel):
    """Whose data is erased, and why."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"recipient": HASH, "tenant": "acme", "reason": "request of 24 November"}]
        },
    )

    recipient: RecipientHash
    """SHA-256 of the address in lower case: the address itself is in no request, event or log."""
    tenant: Text | None = None
    """Only its messages; null: of all tenants."""
    reason: Reason


class ErasureView(BaseModel):
    """What was done with the recipient's messages."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"erased": 12, "cancelled": 2, "in_work": 0}]}
    )

    erased: int
    cancelled: int
    """Of them: had waited."""
    in_work: int
    """In the hands of the sender: repeat the request in a moment."""
