"""The names of buckets: From address, receiving provider, and what sets their mail apart.

Where the recipient's domain had no provider when a message was enqueued, its bucket is named by the
domain, and the provider is looked up whenever its credit is: so no message has to be moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from blueprint.mail_address import domain_of
from sender.policy.providers import OTHER

REPLY = "reply"
TRANSACTIONAL = "transactional"
OPERATOR = "operator"
CAMPAIGN = "campaign:"
QUEUE = "queue:"
UNRESOLVED = "@"


@dataclass(frozen=True, slots=True)
class BucketName:
    """The parts of a bucket's name; none of them has a space."""

    sender: str
    """The From address, folded. Which mailbox it counts as, the directory says."""
    provider: str | None
    recipient_domain: str | None = None
    """Where the provider is None."""
    is_reply: bool = False
    """Replies have buckets of their own: they do not wait for the tenant's hours."""
    is_transactional: bool = False
    """So has what a recipient asked for: a campaign may wait for what it does not need."""
    is_operators: bool = False
    """So has what operators send: it does not wait for the tenant's hours either."""
    queue: str | None = None
    """The class of their priorities, where they wait apart from others."""
    campaign: str | None = None
    """Likewise."""

    @property
    def is_spread(self) -> bool:
        """Whether its mail is spread over the tenant's hours."""
        return not (self.is_reply or self.is_transactional or self.is_operators)

    @property
    def domain(self) -> str:
        """The From domain."""
        return domain_of(self.sender)

    def __str__(self) -> str:
        """Return the name: `sales@acme.example google`."""
        parts = [self.sender, self.provider or f"{UNRESOLVED}{self.recipient_domain}"]
        parts += [REPLY] * self.is_reply + [TRANSACTIONAL] * self.is_transactional
        parts += [OPERATOR] * self.is_operators
        parts += [] if self.queue is None else [f"{QUEUE}{self.queue}"]
        parts += [] if self.campaign is None else [f"{CAMPAIGN}{self.campaign}"]
        return " ".join(parts)

    def apart(self, queue: str, campaign: str | None) -> BucketName:
        """Return the bucket of messages whose campaign or queue is stopped: it is named by both.

        So it is held and released like any other, and the rest of the mail goes on.
        """
        return replace(self, queue=queue, campaign=None if campaign is None else campaign.lower())

    @classmethod
    def parse(cls, name: str) -> BucketName:
        """Return the parts of a name; one without a provider is of before there were any."""
        sender, *parts = name.split(" ")
        labels = {label: _labelled(parts, label) for label in (QUEUE, CAMPAIGN)}
        others = (REPLY, TRANSACTIONAL, OPERATOR)
        is_label = (part in others or part.startswith((QUEUE, CAMPAIGN)) for part in parts)
        where = next((p for p, is_one in zip(parts, is_label, strict=True) if not is_one), OTHER)
        recipients = where.removeprefix(UNRESOLVED) if where.startswith(UNRESOLVED) else None
        return cls(
            sender=sender,
            provider=where if recipients is None else None,
            recipient_domain=recipients,
            is_reply=REPLY in parts,
            is_transactional=TRANSACTIONAL in parts,
            is_operators=OPERATOR in parts,
            queue=labels[QUEUE],
            campaign=labels[CAMPAIGN],
        )


def _labelled(parts: Sequence[str], label: str) -> str | None:
    found = (part.removeprefix(label) for part in parts if part.startswith(label))
    return next(found, None)
