"""What has to be sent before an address or a domain is released, and its release."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.reconciler.subjects import Kind, subject
from controlplane.tenants import draining as address_rows
from controlplane.tenants import draining_domains as domain_rows
from sender import draining as sender


@dataclass(frozen=True)
class Waiting(ABC):
    """An address or a domain that drains."""

    name: str
    since: datetime
    is_over: bool
    """It is not waited for any more."""
    in_hand: int | None
    """Mails that are being handed over; None: some may still begin."""
    queue_ids: Collection[str] = ()
    """Of what hosts have."""
    trouble: str = ""
    """Which hosts could not be asked, and why."""
    successors: Collection[str] = ()
    """Hosts that are to follow, and that were never configured."""
    of_people: int = 0
    """Mails of people that go with the host."""
    kind: ClassVar[Kind]
    where: ClassVar[str]

    @property
    def subject(self) -> str:
        """What is released."""
        return subject(self.kind, self.name)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to send."""
        left = self.in_hand or self.queue_ids or self.of_people or self.trouble
        return self.in_hand is not None and not left

    @property
    def may_be_released(self) -> bool:
        """Whether nothing is left to send, or nothing is waited for."""
        return (self.is_empty and not self.successors) or self.is_over

    @property
    def words(self) -> str:
        """What is left to send."""
        parts = [f"{_mails(len(self.queue_ids))} {self.where}"] if self.queue_ids else []
        if self.of_people:
            parts.append(f"{_mails(self.of_people)} of people in Mailu's queue")
        if self.trouble:
            parts.append(self.trouble)
        if self.in_hand is None:
            parts.append("mail may still be handed over")
        elif self.in_hand:
            parts.append(f"{_mails(self.in_hand)} being handed over")
        if self.successors:
            parts.append(f"{' and '.join(self.successors)} not configured yet")
        return ", ".join(parts) or "nothing to send"

    @abstractmethod
    async def release(self, connection: AsyncConnection, tenant_id: UUID) -> tuple[str, str]:
        """Release it, with what is left; return reason and message of the event."""


@dataclass(frozen=True)
class WaitingAddress(Waiting):
    """An address: with it goes the mail that its host has."""

    kind = Kind.ADDRESS
    where = "on its host"

    async def release(self, connection: AsyncConnection, tenant_id: UUID) -> tuple[str, str]:
        """Release it, and say of messages that are lost that they are."""
        await address_rows.release(connection, tenant_id, self.name)
        if self.is_empty:
            return "Drained", "its host has sent all mail; it is released"
        said = ""
        if self.queue_ids:
            lost = await sender.lose(
                connection, tenant_id=tenant_id, address=self.name, queue_ids=self.queue_ids
            )
            said = f", of which {lost} are marked address_released"
        return "MailLost", f"it is released with mail that is lost: {self.words}{said}"


@dataclass(frozen=True)
class WaitingDomain(Waiting):
    """A domain: without its records, what hosts have of it fails DKIM and SPF."""

    kind = Kind.DOMAIN
    where = "on hosts"

    async def release(self, connection: AsyncConnection, tenant_id: UUID) -> tuple[str, str]:
        """Release it: its records are in no blueprint any more."""
        await domain_rows.remove(connection, tenant_id, [self.name])
        if self.is_empty:
            return "Drained", "hosts have sent all its mail; its records are removed"
        return "MailFails", f"its records are removed, and what is left fails DKIM: {self.words}"


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count} mails"
