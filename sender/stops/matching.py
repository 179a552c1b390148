"""What a stop is of, and which mail it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self
from uuid import UUID

from blueprint.mail_address import folded, meant_domain
from sender.schemas import Stop, StopScope

WIDEST_FIRST = list(StopScope)


class Sent(Protocol):
    """A message, or what all messages of a bucket have in common."""

    @property
    def from_address(self) -> str:
        """The From address."""

    @property
    def from_domain(self) -> str:
        """Its domain."""

    @property
    def campaign(self) -> str | None:
        """The campaign of a message."""

    @property
    def queue(self) -> str | None:
        """The class of its priority."""


@dataclass(frozen=True)
class Target:
    """What is stopped or started. Names that differ in case only are one."""

    scope: StopScope
    tenant_id: UUID | None = None
    """None: the platform, or a queue or a provider for all tenants."""
    name: str | None = None
    """None for platform and tenant."""

    def __post_init__(self) -> None:
        """Keep the name in the form in which names are compared."""
        if self.name is not None:
            object.__setattr__(self, "name", _folded(self.scope, self.name))


@dataclass(frozen=True)
class Mail:
    """What stops know of mail: a name for each scope, in the form in which names are compared."""

    domain: str
    mailbox: str
    campaign: str | None = None
    queue: str | None = None
    provider: str | None = None
    address: str | None = None
    """The sending address; None: not chosen yet."""

    @classmethod
    def of(
        cls,
        sent: Sent,
        *,
        mailbox: str | None,
        provider: str | None = None,
        address: str | None = None,
    ) -> Self:
        """Return what stops know of mail that counts as a declared mailbox, if as any."""
        return cls(
            domain=sent.from_domain,
            mailbox=folded(mailbox or sent.from_address),
            campaign=None if sent.campaign is None else sent.campaign.lower(),
            queue=sent.queue,
            provider=provider,
            address=address,
        )

    def is_held_by(self, stop: Stop) -> bool:
        """Return whether a stop of the platform or of the mail's tenant holds it."""
        name: str | None = getattr(self, stop.scope, None)
        return stop.name == name


def holding(stops: Iterable[Stop], mail: Mail, *, tenant_id: UUID) -> list[Stop]:
    """Return those of some stops that hold a tenant's mail."""
    return [stop for stop in stops if stop.tenant_id in (None, tenant_id) and mail.is_held_by(stop)]


def widest_first(rows: Iterable[Mapping[str, Any]]) -> list[Stop]:
    """Return the stops of some rows."""
    stops = [Stop.model_validate(row) for row in rows]
    return sorted(stops, key=lambda stop: WIDEST_FIRST.index(stop.scope))


def _folded(scope: StopScope, name: str) -> str:
    match scope:
        case StopScope.DOMAIN:
            return meant_domain(name) or name.lower()
        case StopScope.MAILBOX:
            local, _, domain = name.rpartition("@")
            return folded(f"{local}@{meant_domain(domain) or domain}")
        case _:
            return name.lower()
