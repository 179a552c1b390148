"""Which messages wait together."""

from __future__ import annotations

from uuid import UUID

import pytest
from pydantic import ValidationError

from sender.outbox import bucket_of, message_id
from sender.policy.names import BucketName
from sender.schemas import OutgoingMessage

FROM = "Sales+X@Acme.example"
OWN = message_id(UUID(int=7), FROM.lower())


def message(**changes: object) -> OutgoingMessage:
    fields = {"from": FROM, "to": "bob@rcpt.example", "subject": "Hello", "text": "Hello Bob"}
    return OutgoingMessage.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("changes", "provider", "name"),
    [
        ({}, "google", BucketName("sales+x@acme.example", "google")),
        ({}, None, BucketName("sales+x@acme.example", None, "rcpt.example")),
        (
            {"transactional": True},
            "other",
            BucketName("sales+x@acme.example", "other", is_transactional=True),
        ),
        (
            {"in_reply_to": "<CA+1@mail.example>"},
            "other",
            BucketName("sales+x@acme.example", "other", is_reply=True),
        ),
        ({"in_reply_to": OWN}, "other", BucketName("sales+x@acme.example", "other")),
    ],
    ids=["campaign", "unresolved", "transactional", "reply", "follow-up"],
)
def test_bucket_tells_what_its_messages_have_in_common(
    changes: dict[str, object], provider: str | None, name: BucketName
) -> None:
    assert bucket_of(message(**changes), provider) == str(name)


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        ("{{postal_address}}" * 7_433, True),
        ("{{postal_address}}" * 7_500, False),
        ("\U0001f4e7" * 1_900_000, True),
    ],
    ids=["placeholders that fit", "too many placeholders", "large characters"],
)
def test_size_of_a_message_counts_what_its_placeholders_stand_for(text: str, *, is_taken: bool):
    if is_taken:
        assert message(text=text).text == text
        return
    with pytest.raises(ValidationError, match="too_large"):
        message(text=text)


def test_nul_is_refused_wherever_it_stands():
    for text in ("\0", "Hello\0", "\0Hello", "Hello\nBob\0\n"):
        with pytest.raises(ValidationError, match="NUL"):
            message(text=text)
