"""What ends by itself: rows outside the partitions, and those of deleted tenants."""

from __future__ import annotations

import psycopg

from sender import daemon
from sender.dispatch.upkeep import maintain

OLD = "01990000-0000-7000-8000-0000000000"
"""Begins ids of August 2025."""
TENANT = "01990000-0000-7000-8000-00000000000a"
LEFT = """
select (select count(*) from suppression.entries), (select count(*) from policy.homes),
    (select count(*) from mail.months), (select count(*) from queue.keys),
    (select count(*) from policy.holds),
    (select count(*) from queue.buckets), (select count(*) from queue.tenants),
    (select count(*) from directory.withdrawn), (select count(*) from directory.draining)
"""
FILL = """
insert into suppression.entries (id, tenant_id, recipient, reason, source, added_at)
    values (gen_random_uuid(), %(tenant)s, sha256('bob'), 'unsubscribed', 'one-click', now());
insert into policy.homes (tenant_id, domain, provider, address)
    values (%(tenant)s, 'a.example', 'other', 'mx1');
insert into policy.holds (kind, subject, periods, reason, words)
    values ('tenant', %(tenant)s, '{[2026-01-01,)}', 'stopped', '');
insert into mail.months (tenant_id, month, part, mails) values (%(tenant)s, now(), 0, 1);
insert into queue.keys (tenant_id, key, id) values (%(tenant)s, 'k', gen_random_uuid());
insert into queue.tenants (tenant_id) values (%(tenant)s);
insert into queue.buckets (tenant_id, name) values (%(tenant)s, 'b');
insert into directory.withdrawn (tenant_id) values (%(tenant)s);
insert into directory.draining (tenant_id, address) values (%(tenant)s, 'mx1');
insert into mail.messages (id, tenant_id, sender, recipient, recipient_hash, subject)
    values (uuidv7(), %(tenant)s, 'a@a.example', 'bob@b.example', '', '')
"""


async def kept_up(settings) -> None:
    async with daemon.database_pool(settings) as pool:
        await maintain(pool, records=90, events=30)


async def test_deleted_tenant_is_forgotten_after_30_days(settings, upgraded) -> None:
    with psycopg.connect(upgraded, autocommit=True, cursor_factory=psycopg.ClientCursor) as admin:

        def left() -> tuple[int, ...] | None:
            return admin.execute(LEFT).fetchone()

        def deleted(days: int) -> None:
            query = "update directory.withdrawn set at = now() - make_interval(days => %s)"
            admin.execute(query, (days,))

        admin.execute(FILL, {"tenant": TENANT})
        deleted(29)
        await kept_up(settings)
        assert left() == (1,) * 9
        deleted(31)
        await kept_up(settings)
        assert left() == (0, 0, 0, 0, 0, 1, 1, 1, 1)
        deleted(200)
        await kept_up(settings)
        assert left() == (0, 0, 0, 0, 0, 1, 1, 1, 1)  # its messages are kept for 90 days
        admin.execute("delete from mail.messages")
        await kept_up(settings)
        assert left() == (0,) * 9


async def test_rows_outside_the_partitions_end_as_those_in_them(settings, upgraded) -> None:
    with psycopg.connect(upgraded, autocommit=True) as admin:
        for number, at in ((1, "2025-08-15"), (2, "now"), (3, "2025-08-15")):
            id_ = OLD + f"{number:02}"
            admin.execute(
                "insert into mail.events (message_id, tenant_id, at, kind, state, words)"
                " values (%s, %s, %s, 'outcome', 'accepted', '')",
                (id_, TENANT, at),
            )
            admin.execute(
                "insert into mail.messages"
                " (id, tenant_id, sender, recipient, recipient_hash, subject)"
                " values (%s, %s, '', '', '', '')",
                (id_, TENANT),
            )
        admin.execute(
            "insert into queue.records (id, tenant_id, bucket_id, priority, due_at, expires_at)"
            " values (%s, %s, 1, 100, now(), now())",
            (OLD + "03", TENANT),
        )
        await kept_up(settings)
        messages = admin.execute("select id::text from mail.messages").fetchall()
        assert messages == [(OLD + "03",)]  # its record is kept: it waits
        events = admin.execute("select message_id::text from mail.events").fetchall()
        assert events == [(OLD + "02",)]


async def test_recipient_domain_is_forgotten_90_days_after_its_last_mail(
    settings, upgraded, submit
) -> None:
    """Not while a bucket is named by it: the provider of its mail is looked up there."""
    await submit(to="bob@waits.example")
    with psycopg.connect(upgraded, autocommit=True) as admin:

        def known() -> list[str]:
            rows = admin.execute(
                "select domain from policy.recipient_domains where domain <> 'rcpt.example'"
                " order by domain"
            )
            return [domain for (domain,) in rows.fetchall()]

        def unused(days: int) -> None:
            query = (
                "update policy.recipient_domains set used_at = now() - make_interval(days => %s)"
            )
            admin.execute(query, (days,))

        admin.execute("select policy.providers_of(array['new.example', 'old.example'])")
        unused(89)
        await kept_up(settings)
        assert known() == ["new.example", "old.example", "waits.example"]
        unused(91)
        admin.execute("select policy.providers_of(array['NEW.example'])")
        await kept_up(settings)
        assert known() == ["new.example", "waits.example"]
        admin.execute("delete from queue.buckets")
        await kept_up(settings)
        assert known() == ["new.example"]
