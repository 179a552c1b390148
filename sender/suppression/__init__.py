"""Who gets no more mail: per tenant, known by the hash of the address only."""

from sender.suppression.entries import (
    find,
    list_suppressions,
    recipient_hash,
    remove,
    suppress,
    suppress_all,
)

__all__ = [
    "find",
    "list_suppressions",
    "recipient_hash",
    "remove",
    "suppress",
    "suppress_all",
]
