"""What an object of a host should be, and what a seen one lacks.

Only what is declared is compared. A person's password, tokens, displayed name and filters are not
read, so that they are never set back.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

from controlplane.mailu.objects import (
    ALIAS,
    DOMAIN,
    RELAY,
    USER,
    Alias,
    Domain,
    Item,
    Kind,
    Relay,
    User,
)

MARK = "pm:"
LEAVING = " (removing)"
"""Ends the comment of a mailbox that was closed, to be removed."""
INBOUND = "[10.255.0.1]:10026"
"""Where return paths lead: an address of the host that only its containers reach."""

Changes = dict[str, Any]


def mark_of(tenant: str) -> str:
    """Return the comment of a tenant's objects."""
    return f"{MARK}{tenant}"


def is_of(comment: str, tenant: str) -> bool:
    """Return whether a comment says that an object is a tenant's."""
    return comment.removesuffix(LEAVING) == mark_of(tenant)


def is_closed(comment: str) -> bool:
    """Return whether a comment says that a mailbox was closed to be removed."""
    return comment.endswith(LEAVING)


def closed(tenant: str) -> Changes:
    """Return how a mailbox is closed before it is removed: logins end."""
    return {"enabled": False, "comment": mark_of(tenant) + LEAVING}


@dataclass(frozen=True)
class Wanted(ABC, Generic[Item]):
    """An object that a tenant declares."""

    kind: ClassVar[Kind[Any]]

    tenant: str
    key: str

    @property
    def mark(self) -> str:
        """Return its comment."""
        return mark_of(self.tenant)

    def fields(self) -> Changes:
        """Return what it is made with."""
        return {"comment": self.mark}

    @abstractmethod
    def changes(self, seen: Item) -> Changes:
        """Return the fields in which a seen object of ours differs, with their right values."""


@dataclass(frozen=True)
class WantedDomain(Wanted[Domain]):
    """A domain of mailboxes."""

    kind: ClassVar[Kind[Any]] = DOMAIN

    public_key: str
    """Of the DKIM key of people's mail: Base64 of the DER SubjectPublicKeyInfo."""
    selector: str

    def changes(self, seen: Domain) -> Changes:
        """Close a sign-up that was opened."""
        return {"signup_enabled": False} if seen.signup_enabled else {}


@dataclass(frozen=True)
class WantedUser(Wanted[User]):
    """A mailbox."""

    kind: ClassVar[Kind[Any]] = USER

    quota_bytes: int
    forward: tuple[str, ...] = ()
    keep: bool = True
    """Whether the mailbox keeps what is forwarded."""

    def fields(self) -> Changes:
        """Return what it is made with: a random password that is not kept."""
        forward = self._forward() if self.forward else {}
        password = secrets.token_urlsafe(32)
        return {
            **super().fields(),
            "quota_bytes": self.quota_bytes,
            "raw_password": password,
            **forward,
        }

    def changes(self, seen: User) -> Changes:
        """Set quota and forwards, withdraw rights that no mailbox has, open what was closed.

        A mailbox that a person disabled stays so.
        """
        changes: Changes = {}
        if is_closed(seen.comment):
            changes |= {"enabled": True, "comment": self.mark}
        if seen.quota_bytes != self.quota_bytes:
            changes["quota_bytes"] = self.quota_bytes
        if seen.allow_spoofing:
            changes["allow_spoofing"] = False
        if seen.global_admin:
            changes["global_admin"] = False
        return changes | self._forward_changes(seen)

    def _forward_changes(self, seen: User) -> Changes:
        """Return how forwards change. Mailu cannot empty the list: they are switched off."""
        if not self.forward:
            return {"forward_enabled": False} if seen.forward_enabled else {}
        same = set(seen.forward_destination) == set(self.forward)
        if same and seen.forward_enabled and seen.forward_keep == self.keep:
            return {}
        return self._forward()

    def _forward(self) -> Changes:
        return {
            "forward_enabled": True,
            "forward_destination": sorted(set(self.forward)),
            "forward_keep": self.keep,
        }


@dataclass(frozen=True)
class WantedAlias(Wanted[Alias]):
    """An address whose mail goes to a mailbox of the same tenant."""

    kind: ClassVar[Kind[Any]] = ALIAS

    destination: str
    wildcard: bool = False
    """Whether it takes all addresses that its pattern matches and nothing else has."""

    def fields(self) -> Changes:
        """Return what it is made with; without a destination Mailu fails."""
        return {**super().fields(), **self._target()}

    def changes(self, seen: Alias) -> Changes:
        """Lead it where it should."""
        same = seen.destination == (self.destination,) and seen.wildcard == self.wildcard
        return {} if same else self._target()

    def _target(self) -> Changes:
        return {"destination": [self.destination], "wildcard": self.wildcard}


@dataclass(frozen=True)
class WantedRelay(Wanted[Relay]):
    """A domain of return paths; without `smtp` all of its mail waits."""

    kind: ClassVar[Kind[Any]] = RELAY

    smtp: str = INBOUND

    def fields(self) -> Changes:
        """Return what it is made with."""
        return {**super().fields(), "smtp": self.smtp}

    def changes(self, seen: Relay) -> Changes:
        """Lead it where it should."""
        return {} if seen.smtp == self.smtp else {"smtp": self.smtp}


AnyWanted = WantedDomain | WantedUser | WantedAlias | WantedRelay
