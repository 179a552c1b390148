"""Who may send, and as which mailbox an address counts."""

from __future__ import annotations

import pytest

from blueprint.senders import addresses_of, mailbox_of
from blueprint.tenant import MailboxSpec

BOXES = (
    MailboxSpec(address="sales@acme.example", aliases=("hello@acme.example", "s@c.acme.example")),
    MailboxSpec(address="news+us@acme.example"),
    MailboxSpec(address="info@b.acme.example"),
)
CATCH_ALLS = {"b.acme.example": "sales@acme.example"}


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("sales@acme.example", "sales@acme.example"),
        ("SALES@acme.example", "sales@acme.example"),
        ("sales+x@acme.example", "sales@acme.example"),
        ("sales+x+y@acme.example", "sales@acme.example"),
        ("sales+@acme.example", "sales@acme.example"),
        ("news+us@acme.example", "news+us@acme.example"),
        ("news+uk@acme.example", None),
        ("news@acme.example", None),
        ("+x@acme.example", None),
        ("Hello+x@acme.example", "sales@acme.example"),
        ("s@c.acme.example", "sales@acme.example"),
        ("s@acme.example", None),
        ("sales@b.acme.example", "sales@acme.example"),
        ("info+x@b.acme.example", "info@b.acme.example"),
        ("sales@globex.example", None),
        ("sales@c.acme.example", None),
    ],
)
def test_address_sends_as_its_mailbox(address: str, mailbox: str | None) -> None:
    assert mailbox_of(address, addresses_of(BOXES), CATCH_ALLS) == mailbox
