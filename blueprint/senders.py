"""The one rule of who may send: as which mailbox a From address counts, if as any.

The API asks it of the document that a message is accepted under, the sender's policy of what is
published when the message leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from blueprint.mail_address import domain_of, folded


def mailbox_of(
    address: str, mailboxes: Collection[str], catch_alls: Mapping[str, str]
) -> str | None:
    """Return the declared mailbox that an address sends as; None: it may not send.

    `sales+x@` is a sub-address of `sales@` (RFC 5233). `catch_alls` has by domain the mailbox of
    all addresses that are not declared.
    """
    own = folded(address)
    domain = domain_of(own)
    base = f"{own.partition('@')[0].partition('+')[0]}@{domain}"
    declared = (candidate for candidate in (own, base) if candidate in mailboxes)
    return next(declared, catch_alls.get(domain))
