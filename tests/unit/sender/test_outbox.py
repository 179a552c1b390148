"""Which messages wait together."""

from __future__ import annotations

import pytest

from sender.outbox import Sender, bucket_of
from sender.schemas import OutgoingMessage


def message(sender: str, *, transactional: bool = False) -> OutgoingMessage:
    return OutgoingMessage.model_validate(
        {"from": sender, "to": "bob@rcpt.example", "subject": "Hello", "text": "Hello Bob"}
        | {"transactional": transactional}
    )


@pytest.mark.parametrize("transactional", [False, True])
def test_bucket_tells_what_its_messages_have_in_common(transactional: bool) -> None:
    sent = message("Sales+X@Acme.example", transactional=transactional)
    sender = Sender(bucket_of(sent))
    assert sender.from_address == "sales+x@acme.example"
    assert sender.from_domain == sent.from_domain
    assert sender.transactional is transactional


def test_transactional_mail_and_campaign_mail_of_an_address_wait_apart() -> None:
    sender = "sales@acme.example"
    assert bucket_of(message(sender)) != bucket_of(message(sender, transactional=True))
    assert bucket_of(message(sender)) == bucket_of(message(sender.upper()))
