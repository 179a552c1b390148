"""Which messages wait together."""

from __future__ import annotations

import pytest

from sender.outbox import Sender, bucket_apart, bucket_of
from sender.schemas import OutgoingMessage


def message(sender: str, **fields: object) -> OutgoingMessage:
    return OutgoingMessage.model_validate(
        {"from": sender, "to": "bob@rcpt.example", "subject": "Hello", "text": "Hello Bob"} | fields
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


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("campaign", [None, "Transactional"])
def test_bucket_of_stopped_mail_tells_campaign_and_queue_beside(
    transactional: bool, campaign: str | None
) -> None:
    sent = message(
        "Sales@Acme.example", transactional=transactional, campaign=campaign, priority=151
    )
    sender = Sender(bucket_apart(sent))
    assert sender.from_address == "sales@acme.example"
    assert sender.transactional is transactional
    assert sender.queue == "low"
    assert sender.campaign == (campaign and campaign.lower())
    plain = Sender(bucket_of(sent))
    assert (plain.queue, plain.campaign) == (None, None)
