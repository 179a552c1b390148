"""What the sender may use for a tenant: published by the control plane, read before every mail."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import TextClause

from blueprint.senders import addresses_of, mailbox_of
from blueprint.tenant import Language, SendingHours, Warmup
from kit.readings import Reading, Rows
from sender.clock import Clock, SystemClock
from sender.database import SQL, Connection
from sender.footer import Footer


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SendingAddress(_Frozen):
    """One egress address with the way in."""

    name: str
    """`mx1-2`."""
    ip: str
    helo: str
    """Also the name that the submission certificate must carry."""
    port: int = 587
    username: str
    sealed_password: str
    """Sealed with the context `password_context(tenant_id, name)`."""
    ca_pem: str
    """The control plane's CA certificate: the only one trusted for this address."""
    ready: bool = True
    """False holds the address back: its PTR, TLS or relay test has not passed."""
    draining: bool = False
    """True: it gets no new mail, so that its host's spool empties before it is released."""
    warmup_started: date | None = None
    """First UTC day on which this IP was ready; None: it never was."""


class SendingDomain(_Frozen):
    """One From domain."""

    name: str
    return_path: str
    """`b.acme.example`."""
    selector: str
    sealed_dkim_key: str
    """PEM private key, sealed with the context `dkim_context(tenant_id, name)`."""
    verified: bool
    catch_all: str | None = None
    """The mailbox of all addresses of the domain that are not declared."""
    unsubscribe_host: str | None = None
    """`u.acme.example`, once it was proven to lead to the public endpoints; None: the platform's.
    """

    def links(self, of_platform: str) -> str:
        """Return what links in its mail begin with: its own host, else the platform's URL."""
        if self.unsubscribe_host is None:
            return of_platform.rstrip("/")
        return f"https://{self.unsubscribe_host}"


class SendingMailbox(_Frozen):
    """One mailbox with its own daily cap on top of the warm-up."""

    address: str
    daily_cap: int
    aliases: tuple[str, ...] = ()
    """Its other addresses, which send as it."""


class DirectoryEntry(_Frozen):
    """Everything of one tenant."""

    tenant: str
    """Name of the tenant."""
    generation: int = 1
    """Of the document that this is from."""
    addresses: tuple[SendingAddress, ...]
    domains: tuple[SendingDomain, ...]
    mailboxes: tuple[SendingMailbox, ...] = ()
    hours: SendingHours = SendingHours()
    warmup: Warmup = Warmup.STANDARD
    warmup_started: date
    """First UTC day of the warm-up."""
    postal_address: str | None = None
    footer_text: str | None = None
    language: Language = Language.EN

    @property
    def footer(self) -> Footer | None:
        """Return the footer of campaign mail; None: there is no postal address to show."""
        if self.postal_address is None:
            return None
        return Footer(self.postal_address, self.language, self.footer_text)

    def mailbox_of(self, address: str) -> SendingMailbox | None:
        """Return the mailbox that an address sends as; None: it may not send."""
        boxes = {box.address: box for box in self.mailboxes}
        catch_alls = {d.name: d.catch_all for d in self.domains if d.catch_all is not None}
        name = mailbox_of(address, addresses_of(self.mailboxes), catch_alls)
        return None if name is None else boxes.get(name)


def closed(domain: str) -> str:
    """Name a From domain as what takes no new mail: `directory.draining` has these and addresses.

    A domain that an entry has no longer is closed by its publication.
    """
    return f"@{domain}"


def password_context(tenant_id: UUID, address: str) -> str:
    """Name what a submission password is sealed for."""
    return f"{tenant_id}/submission/{address}"


def dkim_context(tenant_id: UUID, domain: str) -> str:
    """Name what a DKIM key is sealed for."""
    return f"{tenant_id}/dkim/{domain}"


async def publish(
    connection: Connection,
    *,
    tenant_id: UUID,
    entry: DirectoryEntry,
    clock: Clock | None = None,
) -> bool:
    """Make an entry the tenant's current one; False when it already was."""
    done = await connection.execute(
        SQL.publish,
        {
            "tenant_id": tenant_id,
            "document": entry.model_dump_json(),
            "now": (clock or SystemClock()).now(),
        },
    )
    return done.first() is not None


async def hold_back(connection: Connection, *, tenant_id: UUID, addresses: Collection[str]) -> None:
    """Let nothing be sent from some of a tenant's addresses until the next publication."""
    entry = await find(connection, tenant_id=tenant_id) if addresses else None
    if entry is not None:
        held = tuple(
            address.model_copy(update={"ready": address.ready and address.name not in addresses})
            for address in entry.addresses
        )
        held_entry = entry.model_copy(update={"addresses": held})
        await publish(connection, tenant_id=tenant_id, entry=held_entry)


async def find(connection: Connection, *, tenant_id: UUID) -> DirectoryEntry | None:
    """Return the tenant's current entry."""
    reading = entry_of(tenant_id)
    found = await connection.execute(reading.query, reading.values)
    return reading.result([dict(row) for row in found.mappings()])


def entry_of(tenant_id: UUID) -> Reading[TextClause, DirectoryEntry | None]:
    """Read the tenant's current entry."""

    def entry(rows: Rows) -> DirectoryEntry | None:
        return DirectoryEntry.model_validate(rows[0]["document"]) if rows else None

    return Reading(SQL.find_entry, {"tenant_id": tenant_id}, entry)


async def withdraw(connection: Connection, *, tenant_id: UUID) -> None:
    """Take a deleted tenant out: the sender cancels its queued mail. Done already is fine."""
    await connection.execute(SQL.withdraw, {"tenant_id": tenant_id})
