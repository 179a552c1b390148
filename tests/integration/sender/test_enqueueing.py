"""What enqueueing promises whatever else happens: limits among others, and moments in any zone."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from kit.faults import Fault
from sender.outbox import Quotas, enqueue_all

from .conftest import explained, mail, tenant_transaction


@pytest.mark.parametrize(
    ("quotas", "code"),
    [
        (Quotas(mails_per_month=50), "quota.mails_per_month"),
        (Quotas(mails_queued=50), "quota.mails_queued"),
    ],
)
async def test_requests_at_the_same_moment_do_not_exceed_a_limit_together(
    api_engine, tenant_id, quotas, code
):
    async def batch() -> str:
        messages = [mail() for _ in range(10)]
        try:
            async with tenant_transaction(api_engine, tenant_id) as connection:
                await enqueue_all(
                    connection,
                    tenant_id=tenant_id,
                    messages=messages,
                    idempotency_key=None,
                    quotas=quotas,
                )
        except Fault as fault:
            return fault.code.name
        return "queued"

    answers = await asyncio.gather(*(batch() for _ in range(12)))
    assert Counter(answers) == {"queued": 5, code: 7}


async def test_moments_do_not_depend_on_the_time_zone_of_the_server(
    upgraded, submit, sender_engine
):
    """Days of 23 and of 25 hours lie between now and these moments."""
    database = psycopg.conninfo.conninfo_to_dict(upgraded)["dbname"]
    today = datetime.now(UTC).timetuple().tm_yday
    begins, ends = (1 + (today + days) % 364 for days in (10, 30))
    with psycopg.connect(upgraded, autocommit=True) as admin:
        admin.execute(f"alter database {database} set timezone = 'TST0DST,J{begins},J{ends}'")
        try:
            for days in (5, 20):
                run_at = datetime.now(UTC) + timedelta(days=days)
                expires_at = run_at + timedelta(days=30)
                id_ = await submit(run_at=run_at, expires_at=expires_at)
                message = (await explained(sender_engine, id_)).message
                assert (message.run_at, message.expires_at) == (run_at, expires_at)
        finally:
            admin.execute(f"alter database {database} reset timezone")
