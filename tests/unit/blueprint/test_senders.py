"""Who may send, and as which mailbox an address counts."""

from __future__ import annotations

import pytest

from blueprint.senders import mailbox_of

BOXES = ("sales@acme.example", "news+us@acme.example", "info@b.acme.example")
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
        ("sales@b.acme.example", "sales@acme.example"),
        ("info+x@b.acme.example", "info@b.acme.example"),
        ("sales@globex.example", None),
        ("sales@c.acme.example", None),
    ],
)
def test_address_sends_as_its_mailbox(address: str, mailbox: str | None) -> None:
    assert mailbox_of(address, BOXES, CATCH_ALLS) == mailbox
