"""Rows of certificates, of orders that are counted, and of answers that anybody may read."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from controlplane.certificates import repository
from controlplane.certificates.repository import PERIOD, Challenge
from controlplane.database import API, CONTROLLER, Database
from kit.database import Role
from tests.integration.controlplane.conftest import START, create
from tests.support.installation import INSTALLATION, PASSWORDS

NAME = "mx1.acme.example"
DIRECTORY = "https://ca.example/directory"
YEAR = timedelta(days=365)


@pytest.fixture
async def tenants(operator) -> tuple[UUID, UUID]:
    return UUID((await create(operator))["id"]), UUID((await create(operator, "bob"))["id"])


async def issue(pools: Database, tenant: UUID, name: str = NAME, until: datetime | None = None):
    end = until or START + YEAR
    async with pools.begin(CONTROLLER) as connection:
        await repository.wanted(connection, name, tenant, Challenge.DNS)
        await repository.save_order(
            connection, name, directory=DIRECTORY, order_url="https://ca.example/1", order_key="k"
        )
        await repository.issue(
            connection, name, chain="pem", not_before=START, not_after=end, renew_at=end
        )


async def current(pools: Database, name: str = NAME):
    async with pools.begin(CONTROLLER) as connection:
        return (await repository.current(connection, [name], now=START)).get(name)


async def test_what_an_order_issued_is_current_with_the_key_of_the_order(pools, tenants):
    await issue(pools, tenants[0])
    found = await current(pools)
    assert (found.chain_pem, found.sealed_key, found.not_after) == ("pem", "k", START + YEAR)


async def test_what_has_expired_is_not_current(pools, tenants):
    await issue(pools, tenants[0], until=START)
    assert await current(pools) is None


async def test_a_failed_renewal_keeps_what_was_issued(pools, tenants):
    await issue(pools, tenants[0])
    async with pools.begin(CONTROLLER) as connection:
        await repository.wanted(connection, NAME, tenants[0], Challenge.HTTP)
        await repository.fail(
            connection,
            NAME,
            next_attempt_at=START,
            reason="Refused",
            trouble="refused",
            limited={DIRECTORY: START},
        )
        row = (await repository.load(connection, tenants[0]))[NAME]
    assert row.limited == {DIRECTORY: START}
    assert (row.failures, row.trouble, row.challenge) == (1, "refused", Challenge.HTTP)
    assert await current(pools) is not None


async def test_a_name_of_another_tenant_begins_without_the_key_of_the_former(pools, tenants):
    await issue(pools, tenants[0])
    async with pools.begin(CONTROLLER) as connection:
        await repository.wanted(connection, NAME, tenants[1], Challenge.DNS)
        assert await repository.load(connection, tenants[0]) == {}
        assert (await repository.load(connection, tenants[1]))[NAME].sealed_key is None
    assert await current(pools) is None


async def order(pools: Database, name: str, *, is_renewal: bool = False, days: float = 0):
    async with pools.begin(CONTROLLER) as connection:
        return await repository.count_order(
            connection,
            name,
            directory=DIRECTORY,
            is_renewal=is_renewal,
            limit=2,
            now=START + timedelta(days=days),
        )


async def test_orders_of_one_registered_domain_are_limited_for_a_week(pools, tenants):
    del tenants
    assert await order(pools, "a.acme.example") is None
    assert await order(pools, "b.acme.example", days=1) is None
    assert await order(pools, "c.acme.example", days=2) == START + PERIOD
    assert await order(pools, "a.acme.example", days=2, is_renewal=True) is None
    assert await order(pools, "globex.example", days=2) is None
    assert await order(pools, "c.acme.example", days=7) is None
    assert await order(pools, "d.acme.example", days=7) == START + PERIOD + timedelta(days=1)


async def test_the_public_role_reads_answers_and_no_key_of_a_host(pools, upgraded, tenants):
    await issue(pools, tenants[0])
    values = {"token": "t", "key_authorization": "t.thumbprint"}
    async with pools.begin(CONTROLLER) as connection:
        for token, days in (("t", 3650), ("old", -3650)):
            await repository.save_answer(
                connection,
                NAME,
                **{**values, "token": token},
                expires_at=START + timedelta(days=days),
            )
    public = Database.connect(upgraded, INSTALLATION, {Role.PUBLIC: PASSWORDS[Role.PUBLIC]})
    async with public.begin(Role.PUBLIC) as connection:
        assert await repository.answer(connection, "t") == "t.thumbprint"
        assert await repository.answer(connection, "old") is None
        assert await repository.answer(connection, "other") is None
    keys = text("select sealed_key from oltp.certificates")
    async with public.begin(Role.PUBLIC) as connection:
        assert (await connection.execute(keys)).all() == []  # it is proven by DNS
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with pools.begin(API) as connection:
            await connection.execute(keys)
    await public.close()
    async with pools.begin(CONTROLLER) as connection:
        await repository.forget_answers(connection, NAME)
        assert await repository.answer(connection, "t") is None
