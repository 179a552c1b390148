"""The one rule of who may send: as which mailbox a From address counts, if as any.

The API asks it of the document that a message is accepted under, the sender's policy of what is
published when the message leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from blueprint.mail_address import domain_of, folded


class Declared(Protocol):
    """A mailbox as a document or the sender's directory has it."""

    @property
    def address(self) -> str:
        """Its name."""

    @property
    def aliases(self) -> Sequence[str]:
        """Its other addresses."""


def addresses_of(mailboxes: Iterable[Declared]) -> dict[str, str]:
    """Return the mailbox of each declared address and alias."""
    return {name: box.address for box in mailboxes for name in (box.address, *box.aliases)}


def mailbox_of(
    address: str, declared: Mapping[str, str], catch_alls: Mapping[str, str]
) -> str | None:
    """Return the mailbox that an address sends as; None: it may not send.

    `declared` is what `addresses_of` returns; `sales+x@` is a sub-address of `sales@` (RFC 5233).
    `catch_alls` has by domain the mailbox of all addresses that are not declared.
    """
    own = folded(address)
    domain = domain_of(own)
    base = f"{own.partition('@')[0].partition('+')[0]}@{domain}"
    known = (declared[candidate] for candidate in (own, base) if candidate in declared)
    return next(known, catch_alls.get(domain))
