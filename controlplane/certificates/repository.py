"""Rows of certificates by name, of orders, and of answers to challenges."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.zones import registrable
from controlplane.database import fetch, fetch_all, fetch_one
from kit.database import AdvisoryLock
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)
PERIOD = timedelta(days=7)
"""In which authorities count the certificates of a registered domain."""


class Challenge(StrEnum):
    """How the control of a name is proven."""

    DNS = "dns-01"
    """A TXT record: for names in zones that we write."""
    HTTP = "http-01"
    """A file on port 80: for names that lead to the public endpoints."""


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate that is valid now."""

    name: str
    chain_pem: str
    """Leaf first."""
    sealed_key: str = field(repr=False)
    """PKCS 8 PEM, sealed with the context `key_context(name)`; of HTTP-01, by the vault that is
    derived for PUBLIC_KEYS."""
    not_after: datetime


@dataclass(frozen=True)
class CertificateRow:
    """A name with what was issued for it, and the order in flight."""

    name: str
    challenge: Challenge
    chain: str | None
    sealed_key: str | None = field(repr=False)
    not_before: datetime | None
    not_after: datetime | None
    renew_at: datetime | None
    directory: str | None
    """Of the authority of the order in flight."""
    order_url: str | None
    order_key: str | None = field(repr=False)
    """Sealed as `sealed_key`."""
    answering: bool
    """An answer to a challenge may be published."""
    failures: int
    """Attempts that failed one after the other."""
    limited: Mapping[str, datetime]
    """Authorities that take no order of it before a time."""
    next_attempt_at: datetime | None
    reason: str
    """Of the condition while the last attempt failed, or waits; empty: it did not."""
    trouble: str
    """Why."""


@dataclass(frozen=True)
class Account:
    """The account at an authority."""

    sealed_key: str = field(repr=False)
    url: str | None
    """None: not registered yet."""


def key_context(name: str) -> str:
    """Return the context that the key of a name's certificate is sealed with."""
    return f"acme/certificate/{name}"


def account_context(directory: str) -> str:
    """Return the context that the key of an account is sealed with."""
    return f"acme/account/{directory}"


async def wanted(
    connection: AsyncConnection, name: str, tenant_id: UUID, challenge: Challenge
) -> None:
    """Ask for a certificate of a name; what was issued for it before stays, unless to another."""
    values = {"name": name, "tenant_id": tenant_id}
    await connection.execute(SQL.drop_of_others, values)
    await connection.execute(SQL.want, {**values, "challenge": challenge})


async def current(
    connection: AsyncConnection, names: Collection[str], *, now: datetime | None = None
) -> dict[str, IssuedCertificate]:
    """Return the certificates that are valid, by name; by the database's clock without `now`."""
    values = {"names": list(names), "now": now}
    rows = await fetch_all(connection, SQL.current, IssuedCertificate, **values)
    return {row.name: row for row in rows}


async def load(connection: AsyncConnection, tenant_id: UUID) -> dict[str, CertificateRow]:
    """Return a tenant's rows by name."""
    return await fetch(connection, reading(tenant_id))


def reading(tenant_id: UUID) -> Reading[TextClause, dict[str, CertificateRow]]:
    """Read a tenant's rows, by name."""
    return Reading(
        SQL.load,
        {"tenant_id": tenant_id},
        lambda rows: {row["name"]: _row(**row) for row in rows},
    )


def valid(rows: Iterable[CertificateRow], *, now: datetime) -> dict[str, IssuedCertificate]:
    """Return the certificates that are valid, by name."""
    return {
        row.name: IssuedCertificate(row.name, row.chain, row.sealed_key, row.not_after)
        for row in rows
        if row.chain is not None and row.sealed_key is not None
        if row.not_after is not None and row.not_after > now
    }


async def save_order(
    connection: AsyncConnection, name: str, *, directory: str, order_url: str, order_key: str
) -> None:
    """Write an order before it is used, with the sealed key that its certificate will have."""
    values = {"directory": directory, "order_url": order_url, "order_key": order_key}
    await connection.execute(SQL.save_order, {"name": name, **values})


async def set_answering(connection: AsyncConnection, name: str, answering: bool) -> None:
    """Write whether an answer to a challenge may be published: before, and after its removal."""
    await connection.execute(SQL.set_answering, {"name": name, "answering": answering})


async def issue(
    connection: AsyncConnection,
    name: str,
    *,
    chain: str,
    not_before: datetime,
    not_after: datetime,
    renew_at: datetime,
) -> None:
    """Write what an order has issued; its key is the certificate's from now on."""
    dates = {"not_before": not_before, "not_after": not_after, "renew_at": renew_at}
    await connection.execute(SQL.issue, {"name": name, "chain": chain, **dates})


async def drop_order(connection: AsyncConnection, name: str) -> None:
    """Give up the order in flight."""
    await connection.execute(SQL.drop_order, {"name": name})


async def fail(
    connection: AsyncConnection,
    name: str,
    *,
    next_attempt_at: datetime,
    reason: str,
    trouble: str,
    limited: Mapping[str, datetime],
) -> None:
    """Let a name wait; what was issued before, and an order in flight, stay."""
    values = {
        "next_attempt_at": next_attempt_at,
        "reason": reason,
        "trouble": trouble,
        "limited": json.dumps({directory: at.isoformat() for directory, at in limited.items()}),
    }
    await connection.execute(SQL.fail, {"name": name, **values})


async def forget(connection: AsyncConnection, name: str) -> None:
    """Delete a name that needs no certificate any more."""
    await connection.execute(SQL.forget, {"name": name})


async def count_order(
    connection: AsyncConnection,
    name: str,
    *,
    directory: str,
    is_renewal: bool,
    limit: int,
    now: datetime,
) -> datetime | None:
    """Count an order before it is made; return when it is allowed if it is not now.

    The renewal of the same name is not limited, as at authorities. Counted are those of all
    tenants: their hosts have names below one registered domain.
    """
    registered = registrable(name)
    key = {"directory": directory, "registered": registered}
    lock = {"lock": AdvisoryLock.ACME_ORDERS, "registered": registered}
    await connection.execute(SQL.lock_registered, lock)
    await connection.execute(SQL.forget_orders, {"before": now - PERIOD})
    if not is_renewal:
        window = {"since": now - PERIOD, "skipped": limit - 1}
        oldest: datetime | None = await connection.scalar(SQL.order_before, {**key, **window})
        if oldest is not None:
            return oldest + PERIOD
    values = {**key, "name": name, "is_renewal": is_renewal, "now": now}
    await connection.execute(SQL.count_order, values)
    return None


async def uncount_order(connection: AsyncConnection, name: str) -> None:
    """Count a name's last order no more: nothing was issued by it."""
    await connection.execute(SQL.uncount_order, {"name": name})


async def save_answer(
    connection: AsyncConnection,
    name: str,
    *,
    token: str,
    key_authorization: str,
    expires_at: datetime,
) -> None:
    """Publish the answer to an HTTP-01 challenge."""
    values = {"key_authorization": key_authorization, "expires_at": expires_at}
    await connection.execute(SQL.save_answer, {"name": name, "token": token, **values})


async def forget_answers(connection: AsyncConnection, name: str) -> None:
    """Withdraw the answers of a name."""
    await connection.execute(SQL.forget_answers, {"name": name})


async def answer(connection: AsyncConnection, token: str) -> str | None:
    """Return the answer to an HTTP-01 challenge, as the public role."""
    found: str | None = await connection.scalar(SQL.answer, {"token": token})
    return found


async def account(connection: AsyncConnection, directory: str) -> Account | None:
    """Return our account at an authority."""
    return await fetch_one(connection, SQL.account, Account, directory=directory)


async def make_account(connection: AsyncConnection, directory: str, sealed_key: str) -> Account:
    """Write the key of an account before it is registered, unless there is one; return it."""
    values = {"directory": directory, "sealed_key": sealed_key}
    await connection.execute(SQL.make_account, values)
    made = await account(connection, directory)
    assert made is not None  # noqa: S101 - accounts are never deleted
    return made


async def register_account(connection: AsyncConnection, directory: str, url: str) -> None:
    """Write that an account is registered."""
    await connection.execute(SQL.register_account, {"directory": directory, "url": url})


async def forget_account(connection: AsyncConnection, directory: str) -> None:
    """Write that an authority does not know our account any more; its key stays."""
    await connection.execute(SQL.forget_account, {"directory": directory})


def _row(challenge: str, limited: Mapping[str, str], **columns: Any) -> CertificateRow:
    until = {directory: datetime.fromisoformat(at) for directory, at in limited.items()}
    return CertificateRow(challenge=Challenge(challenge), limited=until, **columns)
