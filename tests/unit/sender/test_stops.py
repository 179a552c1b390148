"""Which mail a stop holds: names are compared without case, and each scope alone."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from sender.schemas import OutgoingMessage, QueueName, Stop, StopScope
from sender.stops import Mail, Target, holding

TENANT, OTHER = UUID(int=1), UUID(int=2)
MESSAGE = OutgoingMessage.model_validate(
    {
        "from": "Sales+x@Acme.example",
        "to": "bob@rcpt.example",
        "subject": "Hello",
        "text": "Hello",
        "campaign": "Autumn",
        "priority": 151,
    }
)
MAIL = Mail.of(MESSAGE, mailbox="sales@acme.example", provider="google", address="mx1-2")


def stop(scope: str, name: str | None = None, tenant_id: UUID | None = TENANT) -> Stop:
    target = Target(StopScope(scope), tenant_id, name)
    return Stop(
        id=UUID(int=3),
        scope=target.scope,
        tenant_id=target.tenant_id,
        name=target.name,
        reason="complaints",
        actor="pm_live_x",
        by_operator=True,
        since=datetime(2026, 11, 24, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "held_by",
    [
        stop("platform", tenant_id=None),
        stop("tenant"),
        stop("domain", "ACME.example"),
        stop("domain", "acme.example."),
        stop("mailbox", "SALES@acme.EXAMPLE"),
        stop("campaign", "AUTUMN"),
        stop("queue", "Low"),
        stop("queue", "low", tenant_id=None),
        stop("provider", "Google", tenant_id=None),
        stop("address", "MX1-2"),
    ],
)
def test_mail_is_held_by_each_stop_that_names_it(held_by: Stop) -> None:
    assert holding([held_by], MAIL, tenant_id=TENANT) == [held_by]
    assert holding([held_by], MAIL, tenant_id=OTHER) == [held_by] * (held_by.tenant_id is None)


@pytest.mark.parametrize(
    "other",
    [
        stop("domain", "news.acme.example"),
        stop("domain", "xn--acme-kva.example"),
        stop("mailbox", "sales+x@acme.example"),
        stop("mailbox", "acme.example"),
        stop("campaign", "spring"),
        stop("campaign", "low"),
        stop("queue", "high"),
        stop("provider", "microsoft"),
        stop("address", "mx1-3"),
    ],
)
def test_mail_is_not_held_by_a_stop_of_something_else(other: Stop) -> None:
    assert holding([other], MAIL, tenant_id=TENANT) == []


@pytest.mark.parametrize("scope", ["campaign", "address"])
def test_mail_without_campaign_or_address_is_not_held_by_a_stop_of_one(scope: str) -> None:
    plain = Mail.of(MESSAGE.model_copy(update={"campaign": None}), mailbox=None)
    assert holding([stop(scope, "none"), stop(scope, "mx1-2")], plain, tenant_id=TENANT) == []


def test_mail_of_no_known_mailbox_is_held_by_a_stop_of_its_from_address() -> None:
    unknown = Mail.of(MESSAGE, mailbox=None)
    held_by = stop("mailbox", "sales+X@acme.example")
    assert holding([held_by], unknown, tenant_id=TENANT) == [held_by]


def test_name_of_a_domain_is_kept_in_punycode() -> None:
    assert Target(StopScope.DOMAIN, TENANT, "MÜNCHEN.example").name == "xn--mnchen-3ya.example"
    mailbox = Target(StopScope.MAILBOX, TENANT, "Sales@München.example")
    assert mailbox.name == "sales@xn--mnchen-3ya.example"


@pytest.mark.parametrize(
    ("priority", "queue"),
    [(1, "high"), (50, "high"), (51, "normal"), (150, "normal"), (151, "low"), (1000, "low")],
)
def test_queue_of_a_message_follows_from_its_priority(priority: int, queue: str) -> None:
    assert QueueName.of(priority) == queue
