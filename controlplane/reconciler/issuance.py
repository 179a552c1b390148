"""One order of a certificate, from its account to its chain; continues the one in flight.

What a crash could lose is written before it is used: the key of an account before it is registered,
the URL of an order with the key of its certificate, and that an answer may be published. So no name
has two orders, and no answer stays.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from controlplane.certificates import PUBLIC_KEYS, faults, repository
from controlplane.certificates.keys import create_key, life_of, request_of
from controlplane.certificates.repository import (
    CertificateRow,
    Challenge,
    account_context,
    key_context,
)
from controlplane.reconciler.authority import (
    Account,
    Authority,
    ChallengeRecords,
    Order,
    OrderStatus,
    Proof,
    Refused,
    Trouble,
)
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.session import Session
from kit.faults import Fault
from vault import Vault

PATIENCE = timedelta(minutes=2)
"""How long one step follows an order; the next pass continues it."""
FIRST_PAUSE = timedelta(milliseconds=200)
LONGEST_PAUSE = timedelta(seconds=5)
"""Between looks at an order, where the authority names no time."""
ANSWER_LIFE = timedelta(days=1)
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=12)
"""Between attempts, each four times as long: authorities take five failures of a name an hour."""
LIMITED_FOR = timedelta(hours=1)
"""Where an authority that limits names no time; and by our own limit, at most."""
TRIES_OF_AN_ORDER = 5
"""Attempts without an answer after which an order is given up."""

T = TypeVar("T")


@dataclass(frozen=True)
class Ports:
    """What orders need."""

    authority: Authority
    records: ChallengeRecords
    orders_a_week: int


class Issuance:
    """The order of one name's certificate, in one pass."""

    def __init__(
        self, ports: Ports, vault: Vault, session: Session, tenant: str, row: CertificateRow
    ) -> None:
        """Take a row; the key of a name for links is sealed for the public endpoints."""
        self._ports = ports
        self._vault = vault
        self._keys = vault.derived(PUBLIC_KEYS) if row.challenge is Challenge.HTTP else vault
        self._session = session
        self._tenant = tenant
        self._row = row
        self._directory = ""
        self._wait: timedelta | None = None
        self._is_counted = row.order_url is not None

    async def run(self, progress: Progress) -> None:
        """Order a certificate, or continue; raises the fault that the row then has."""
        try:
            await self._issue(progress)
        except (Refused, Fault) as trouble:
            raise await self._failed(trouble) from trouble

    async def withdraw(self) -> None:
        """Remove what answers challenges of the name; raises a fault of the DNS provider."""
        if self._row.challenge is Challenge.DNS:
            await self._ports.records.withdraw(self._tenant, self._row.name)
        async with self._session.begin() as connection:
            await repository.forget_answers(connection, self._row.name)
            await repository.set_answering(connection, self._row.name, answering=False)

    async def _issue(self, progress: Progress) -> None:
        name = self._row.name
        self._directory = self._row.directory or self._choose()
        if self._directory not in self._ports.authority.directories:
            raise Refused(Trouble.REFUSED, "it is not in the settings any more")
        account = await self._account(progress)
        if self._row.order_url is None:
            await self._order(account)
            progress(f"{name}: ordered at {self._authority}")
        url, sealed = self._row.order_url, self._row.order_key
        assert url is not None  # noqa: S101 - of the order that was made, or is in flight
        assert sealed is not None  # noqa: S101 - as above
        key = self._keys.open(sealed, context=key_context(name)).decode()
        await self._follow(account, url, key, progress)
        chain = await self._ask(self._ports.authority.chain, account, url)
        try:
            life = life_of(chain, key, name)
        except ValueError as error:
            raise Refused(Trouble.REFUSED, f"it issued another certificate: {error}") from None
        async with self._session.begin() as connection:
            await repository.issue(
                connection,
                name,
                chain=chain,
                not_before=life.not_before,
                not_after=life.not_after,
                renew_at=life.renew_at,
            )
        progress(f"{name}: issued by {self._authority}, valid until {_shown(life.not_after)}")

    def _choose(self) -> str:
        """Return the authority of a new order: after a failure another one, if it takes orders."""
        directories, row, now = self._ports.authority.directories, self._row, self._session.clock()
        first = row.failures % len(directories)
        for directory in (*directories[first:], *directories[:first]):
            if row.limited.get(directory, now) <= now:
                return directory
        self._directory = directories[first]
        wait = row.limited[self._directory] - now
        raise Refused(Trouble.LIMITED, "it has said so before", wait)

    async def _account(self, progress: Progress) -> Account:
        directory, context = self._directory, account_context(self._directory)
        async with self._session.begin() as connection:
            known = await repository.account(connection, directory)
            if known is None:
                sealed = self._vault.seal(create_key().encode(), context=context)
                known = await repository.make_account(connection, directory, sealed)
        key = self._vault.open(known.sealed_key, context=context).decode()
        account = Account(directory, key, known.url or "")
        if account.url:
            return account
        url = await self._ask(self._ports.authority.register, account)
        async with self._session.begin() as connection:
            await repository.register_account(connection, directory, url)
        progress(f"registered at {self._authority}")
        return replace(account, url=url)

    async def _order(self, account: Account) -> None:
        """Order, and write the order with the key that its certificate will have."""
        name, now = self._row.name, self._session.clock()
        async with self._session.begin() as connection:
            allowed_at = await repository.count_order(
                connection,
                name,
                directory=account.directory,
                is_renewal=self._row.chain is not None,
                limit=self._ports.orders_a_week,
                now=now,
            )
        if allowed_at is not None:
            limit, at = self._ports.orders_a_week, _shown(allowed_at)
            reason = f"{limit} certificates of its domain were ordered in a week, until {at}"
            raise Refused(Trouble.LIMITED, reason, min(allowed_at - now, LIMITED_FOR))
        self._is_counted = True
        url = await self._ask(self._ports.authority.order, account, name)
        key = self._keys.seal(create_key().encode(), context=key_context(name))
        async with self._session.begin() as connection:
            await repository.save_order(
                connection, name, directory=account.directory, order_url=url, order_key=key
            )
        self._row = replace(self._row, directory=account.directory, order_url=url, order_key=key)

    async def _follow(self, account: Account, url: str, key: str, progress: Progress) -> None:
        """Do what an order waits for until it is valid."""
        authority, name, pause = self._ports.authority, self._row.name, FIRST_PAUSE
        end = self._session.clock() + PATIENCE
        while True:
            order = await self._ask(authority.look, account, url, self._row.challenge)
            if order.status is OrderStatus.VALID:
                return
            if order.status is OrderStatus.INVALID:
                raise Refused(Trouble.REFUSED, order.reason or "it gives no reason")
            if order.status is OrderStatus.READY:
                request = await asyncio.to_thread(request_of, key, name)
                await self._ask(authority.finalize, account, url, request)
                progress(f"{name}: proven to {self._authority}")
            elif order.proofs:
                await self._prove(account, order, progress)
            wait, pause = order.wait or pause, min(2 * pause, LONGEST_PAUSE)
            if self._session.clock() + wait > end:
                self._wait = order.wait
                raise faults.UNFINISHED(name=name, reason=f"{self._authority} takes its time")
            await asyncio.sleep(wait.total_seconds())

    async def _prove(self, account: Account, order: Order, progress: Progress) -> None:
        name = self._row.name
        async with self._session.begin() as connection:
            await repository.set_answering(connection, name, answering=True)
        for proof in order.proofs:
            await self._publish(proof)
            progress(f"{name}: the answer to {self._row.challenge} is published")
            await self._ask(self._ports.authority.answer, account, proof)

    async def _publish(self, proof: Proof) -> None:
        name = self._row.name
        if self._row.challenge is Challenge.DNS:
            await self._ports.records.publish(self._tenant, name, proof.digest)
            return
        async with self._session.begin() as connection:
            await repository.save_answer(
                connection,
                name,
                token=proof.token,
                key_authorization=proof.key_authorization,
                expires_at=self._session.clock() + ANSWER_LIFE,
            )

    async def _failed(self, trouble: Refused | Fault) -> Fault:
        """Write why, and when it is tried again; return the fault that the condition shows."""
        row, now, limited = self._row, self._session.clock(), dict(self._row.limited)
        kind = trouble.trouble if isinstance(trouble, Refused) else Trouble.PASSING
        wait = trouble.wait if isinstance(trouble, Refused) else self._wait
        keeps = row.order_url is not None and (
            kind is Trouble.LIMITED
            or (kind is Trouble.PASSING and row.failures + 1 < TRIES_OF_AN_ORDER)
        )
        at = now + max(wait or timedelta(), _backoff(row.failures))
        directories = self._ports.authority.directories
        if kind is Trouble.LIMITED:
            at = now + (wait or LIMITED_FOR)
            limited[self._directory] = at
            if not keeps:
                at = min(limited.get(directory, now) for directory in directories)
        elif kind is Trouble.NO_ACCOUNT or (not keeps and (row.failures + 1) % len(directories)):
            at = now
        fault = self._fault(trouble, at, now)
        async with self._session.begin() as connection:
            if kind is Trouble.NO_ACCOUNT:
                await repository.forget_account(connection, self._directory)
            if not keeps and self._is_counted:
                await repository.drop_order(connection, row.name)
                await repository.uncount_order(connection, row.name)
            await repository.fail(
                connection,
                row.name,
                next_attempt_at=at,
                reason=fault.code.reason,
                trouble=fault.sentence,
                limited=limited,
            )
        return fault

    def _fault(self, trouble: Refused | Fault, at: datetime, now: datetime) -> Fault:
        name, until, authority = self._row.name, self._row.not_after, self._authority
        if isinstance(trouble, Fault):
            fault = faults.UNFINISHED(name=name, reason=trouble.message)
        elif trouble.trouble is Trouble.LIMITED:
            fault = faults.RATE_LIMITED(
                authority=authority, name=name, until=_shown(at), reason=trouble
            )
        elif trouble.trouble is Trouble.REFUSED:
            fault = faults.REFUSED(authority=authority, name=name, reason=trouble)
        else:
            fault = faults.AUTHORITY_UNREACHABLE(authority=authority, name=name, reason=trouble)
        if until is None:
            return fault
        if until <= now:
            return faults.EXPIRED(name=name, reason=fault.message)
        return faults.RENEWAL_FAILING(name=name, until=_shown(until), reason=fault.message)

    async def _ask(self, request: Callable[..., T], *arguments: object) -> T:
        """Ask the authority in a thread, unless the pass has ended."""
        await self._session.guard()
        return await asyncio.to_thread(request, *arguments)

    @property
    def _authority(self) -> str:
        return urlsplit(self._directory).hostname or self._directory


def _backoff(failures: int) -> timedelta:
    return min(FIRST_WAIT * math.pow(4, min(failures, 8)), LONGEST_WAIT)


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
