"""What has been warming up by the calendar goes on where it was."""

from __future__ import annotations

import psycopg

from sender.migrations import upgrade
from tests.support.installation import INSTALLATION

ENTRY = """
insert into directory.entries (tenant_id, published_at, document)
select gen_random_uuid(), now(), jsonb_build_object(
    'tenant', 'acme', 'warmup_started', (now() at time zone 'UTC')::date - 30,
    'addresses', jsonb_build_array(
        jsonb_build_object('ip', '198.18.1.2', 'warmup_started', null),
        jsonb_build_object('ip', '198.18.1.3',
            'warmup_started', (now() at time zone 'UTC')::date - 4)),
    'domains', jsonb_build_array(jsonb_build_object('name', 'acme.example')),
    'mailboxes', jsonb_build_array(jsonb_build_object('address', 'sales@acme.example')))
"""


def test_upgrade_keeps_the_days_of_what_sends(database: str) -> None:
    upgrade(database, INSTALLATION, "0001")
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(ENTRY)
        upgrade(database, INSTALLATION)
        rows = admin.execute("select kind, subject, day from policy.warmup").fetchall()
    days = {subject: day for _, subject, day in rows}
    assert days["198.18.1.2"] == days["198.18.1.2/google"] == days["198.18.1.2/other"] == 31
    assert days["198.18.1.3"] == days["198.18.1.3/google"] == 5
    assert days["acme.example"] == days["sales@acme.example"] == 31
