"""Mail that unsubscribes: the `mailto:` of List-Unsubscribe (RFC 2369), and what comes of it.

The subject carries the same token as the link; its 103 letters are too long for a local part.
"""

from __future__ import annotations

from email.parser import BytesHeaderParser
from urllib.parse import quote

from sender.tokens import Subscription, TokenInvalid, Tokens


def mailto(address: str, token: str) -> str:
    """Return the URL of a mail to an address that ends the subscription of a token."""
    return f"mailto:{quote(address, safe='@+')}?subject=unsubscribe%20{token}"


def subscription_of(mail: bytes, tokens: Tokens) -> Subscription | None:
    """Return the subscription that a mail ends; None when no word of its subject is a token."""
    subject = BytesHeaderParser().parsebytes(mail)["Subject"]
    for word in str(subject or "").split():
        try:
            return tokens.read_unsubscribe(word)
        except TokenInvalid:
            continue
    return None
