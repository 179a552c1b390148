"""A database of before is brought to the current schema, with what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import create_engine, make_url

from controlplane import migrations
from hostwinds.journal.port import Frozen
from hostwinds.journal.postgres import PostgresJournal, ensure_schema
from kit.database import Role
from tests.support.freezes import REASON, freeze
from tests.support.installation import INSTALLATION, PASSWORDS, login

TENANT = "00000000-0000-7000-8000-000000000001"


def upgraded_to(dsn: str, revision: str) -> None:
    """Bring a database to a revision of the control plane's history."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(make_url(dsn).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("create schema oltp")
        config.attributes |= {"connection": connection, "installation": INSTALLATION}
        command.upgrade(config, revision)
    engine.dispose()


def insert_tenant(
    admin: psycopg.Connection[Any],
    id_: str = TENANT,
    name: str = "acme",
    document: str = "{}",
) -> None:
    admin.execute(
        "insert into oltp.tenants (id, name, generation, document, created_at, updated_at) "
        "values (%s, %s, 1, %s, now(), now())",
        [id_, name, document],
    )


def test_what_drains_is_carried_over_and_domains_can_drain(
    shared_database: str, database: str
) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0002")
    with psycopg.connect(database) as admin:
        insert_tenant(admin, document='{"spec": {"domains": []}}')
        admin.execute("insert into oltp.draining values (%s, 'mx1-2', '{}')", [TENANT])
        admin.execute(
            "insert into oltp.domains values ('old.example', %s, 'old.example', 'old.example')",
            [TENANT],
        )
        admin.execute(
            "insert into oltp.schedule (tenant_id, due_at, priority) values (%s, 'infinity', 2)",
            [TENANT],
        )
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        assert admin.execute("select address from oltp.draining").fetchall() == [("mx1-2",)]
        admin.execute(f"set role {login(Role.CONTROLLER)}")
        admin.execute(
            "insert into oltp.draining_domains values (%s, 'old.example', '{}')", [TENANT]
        )
        admin.execute(f"set role {login(Role.API)}")
        admin.execute(
            "select oltp.end_draining_domains("
            "gen_random_uuid(), '{old.example}', '{old.example}', now())"
        )
        admin.execute("reset role")
        [row] = admin.execute(
            "select claimed_at is not null, priority, requests, isfinite(due_at) "
            "from oltp.draining_domains join oltp.schedule using (tenant_id)"
        ).fetchall()
    assert row == (True, 0, 1, True)


def test_images_can_be_pinned_after_an_upgrade(shared_database: str, database: str) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0003")
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    row = ("front", "ghcr.io/mailu/nginx", "2024.06.57", f"sha256:{'0' * 64}", "https://ghcr.io")
    with psycopg.connect(database) as admin:
        admin.execute(f"set role {login(Role.OPERATOR)}")
        admin.execute(
            "insert into oltp.pinned_images values (%s, %s, %s, %s, %s, now(), 'pm_live_1')", row
        )
        admin.execute(f"set role {login(Role.CONTROLLER)}")
        [kept] = admin.execute(
            "select service, image, tag, digest, registry from oltp.pinned_images"
        ).fetchall()
        assert kept == row
        with pytest.raises(InsufficientPrivilege):
            admin.execute("delete from oltp.pinned_images")


def test_hosts_that_name_no_mail_server_keep_what_was_the_default(
    shared_database: str, database: str
) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0019")
    hosts = [{"name": "mx2"}, {"name": "mx1", "mail": "mailu"}, {"name": "mx3", "mail": "none"}]
    with psycopg.connect(database) as admin:
        insert_tenant(admin, document=json.dumps({"spec": {"plan": "business", "hosts": hosts}}))
        admin.execute("update oltp.tenants set applied_document = document")
        admin.execute(
            "insert into oltp.draining values (%s, 'mx4-2', %s)", [TENANT, '{"name": "mx4"}']
        )
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        [documents] = admin.execute("select document, applied_document from oltp.tenants")
        [(draining,)] = admin.execute("select host from oltp.draining")
    for document in documents:
        assert document["spec"]["plan"] == "business"
        assert document["spec"]["hosts"] == [{**hosts[0], "mail": "none"}, *hosts[1:]]
    assert draining == {"name": "mx4", "mail": "none"}


def test_hosts_that_were_configured_before_have_no_mailu(
    shared_database: str, database: str
) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0009")
    with psycopg.connect(database) as admin:
        insert_tenant(admin)
        for name, key in (("mx1", "mx1 ssh-ed25519 AAAA"), ("mx2", None)):
            admin.execute(
                "insert into oltp.hosts (tenant_id, name, host_key) values (%s, %s, %s)",
                [TENANT, name, key],
            )
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        query = "select name, mail, refused_digest from oltp.hosts order by name"
        assert admin.execute(query).fetchall() == [("mx1", "none", None), ("mx2", None, None)]
        admin.execute(f"set role {login(Role.API)}")
        assert admin.execute("select service from oltp.pinned_images").fetchall() == []
        with pytest.raises(InsufficientPrivilege):
            admin.execute("select digest from oltp.pinned_images")


def test_engine_finds_the_table_of_its_state(shared_database: str, database: str) -> None:
    """Of two engines that created it at the same time, one would fail."""
    del shared_database  # has made the roles
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        admin.execute(f"set role {login(Role.ENGINE)}")
        admin.execute("set search_path = pulumi")
        admin.execute(  # what the engine runs whenever it starts
            "create index if not exists pulumi_state_key_prefix_idx"
            " on pulumi_state (key text_pattern_ops)"
        )
        admin.execute("insert into pulumi_state (key, data) values ('a', '{}')")


def test_mailboxes_are_asked_about_by_their_tenant_only_after_an_upgrade(
    shared_database: str, database: str
) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0007")
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    other = TENANT[:-1] + "2"
    question = (
        "insert into oltp.mailbox_questions (id, tenant_id, host, action, address, name, "
        "public_key) values (gen_random_uuid(), %s, 'mx1', 'tokens', 'a@acme.example', '', 'x')"
    )
    with psycopg.connect(database, autocommit=True) as admin:
        for id_, name in ((TENANT, "acme"), (other, "bolt")):
            insert_tenant(admin, id_, name)
        admin.execute(f"set role {login(Role.API)}")
        admin.execute(f"set app.current_tenant_id = '{TENANT}'")
        admin.execute(question, [TENANT])
        with pytest.raises(InsufficientPrivilege):
            admin.execute(question, [other])
        with pytest.raises(InsufficientPrivilege):
            admin.execute("select * from oltp.identities")
        admin.execute(f"set role {login(Role.CONTROLLER)}")
        taken = admin.execute("update oltp.mailbox_questions set taken = true returning address")
        assert taken.fetchall() == [("a@acme.example",)]
        admin.execute("insert into oltp.purges values (%s, 'mx1', 'a@acme.example')", [TENANT])
        admin.execute("reset role")
        admin.execute("delete from oltp.tenants")
        assert admin.execute("select * from oltp.purges").fetchall() == []


def test_what_hosts_hold_is_learned_after_an_upgrade(shared_database: str, database: str) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0009")
    with psycopg.connect(database) as admin:
        insert_tenant(admin)
        admin.execute(
            "insert into oltp.identities (tenant_id, host, digest, at, findings) "
            "values (%s, 'mx1', 'what was declared', now(), '[]')",
            [TENANT],
        )
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database, autocommit=True) as admin:
        rows = admin.execute("select digest, stopped from oltp.identities").fetchall()
        assert rows == [("", [])]  # so the host is looked at
        admin.execute(f"set role {login(Role.CONTROLLER)}")
        held = [TENANT, "mx1", "ann@acme.example"]
        admin.execute("insert into oltp.held_mail values (%s, %s, %s, 5, true)", held)
        admin.execute("insert into oltp.closed_mailboxes values (%s, %s, %s)", held)
        admin.execute(f"set role {login(Role.API)}")
        admin.execute("update oltp.held_mail set confirmed = true")
        admin.execute(f"set app.current_tenant_id = '{TENANT}'")
        admin.execute("update oltp.held_mail set confirmed = true where size = 5")
        for statement in (
            "update oltp.held_mail set size = 0",
            "delete from oltp.held_mail",
            "select * from oltp.closed_mailboxes",
        ):
            with pytest.raises(InsufficientPrivilege):
                admin.execute(statement)
        admin.execute("reset role")
        assert admin.execute("select confirmed from oltp.held_mail").fetchall() == [(True,)]


def test_conditions_of_before_ask_for_nothing_yet(shared_database: str, database: str) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0012")
    with psycopg.connect(database) as admin:
        insert_tenant(admin)
        admin.execute(
            "insert into oltp.conditions "
            "values (%s, 'tenant', 'Ready', 'False', 'R', 'm', 1, now())",
            [TENANT],
        )
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        kept = admin.execute("select reason, message, acts, asked_at from oltp.conditions")
        assert kept.fetchall() == [("R", "m", None, None)]
        admin.execute(f"set role {login(Role.API)}")
        admin.execute(f"set app.current_tenant_id = '{TENANT}'")
        assert admin.execute("select count(*) from oltp.conditions").fetchone() == (1,)
        with pytest.raises(InsufficientPrivilege):
            admin.execute("update oltp.conditions set acts = 'user'")


def test_hosts_are_looked_at_after_an_upgrade_and_tries_of_mail_are_kept(
    shared_database: str, database: str
) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0015")
    with psycopg.connect(database) as admin:
        insert_tenant(admin)
        admin.execute(
            "insert into oltp.identities (tenant_id, host, digest, at, findings) "
            "values (%s, 'mx1', 'd', now(), '[]')",
            [TENANT],
        )
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        assert admin.execute("select digest from oltp.identities").fetchall() == [("",)]
        admin.execute(f"set role {login(Role.CONTROLLER)}")
        admin.execute(
            "insert into oltp.round_trips (tenant_id, domain, host, at, unsuccessful, wrong) "
            "values (%s, 'acme.example', 'mx1', now(), 1, 0)",
            [TENANT],
        )
        assert admin.execute("select is_right from oltp.round_trips").fetchall() == [(None,)]
        admin.execute(f"set role {login(Role.API)}")
        with pytest.raises(InsufficientPrivilege):
            admin.execute("select from oltp.round_trips")


def test_journal_and_control_plane_share_the_table_of_freezes_whoever_made_it(
    shared_database: str, database: str
) -> None:
    del shared_database  # has made the roles
    with psycopg.connect(database) as admin:
        ensure_schema(admin)
    freeze(database, Frozen.PURCHASES)
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"set role {login(Role.API)}")
        rows = admin.execute("select what, reason from purchase.freezes").fetchall()
        assert rows == [("purchases", REASON)]
        with pytest.raises(InsufficientPrivilege):
            admin.execute("delete from purchase.freezes")
        with pytest.raises(InsufficientPrivilege):
            admin.execute("select * from purchase.intents")
        admin.execute(f"set role {login(Role.OPERATOR)}")
        admin.execute("delete from purchase.freezes")
    assert PostgresJournal(database).frozen(Frozen.PURCHASES) is None


def test_operations_of_before_have_no_time_of_their_state(
    shared_database: str, database: str
) -> None:
    del shared_database  # has made the roles
    upgraded_to(database, "0018")
    with psycopg.connect(database) as admin:
        admin.execute(
            "insert into oltp.operations (id, tenant_id, tenant, kind, phase, generation, digest, "
            "process, host, started_at, heartbeat_at, finished_at, outcome) values "
            "(%s, %s, 'acme', 'update', 'cloud', 1, 'x', 7, 'here', now(), now(), now(), "
            "'succeeded')",
            [TENANT, TENANT],
        )
    for _ in range(2):
        migrations.upgrade(database, INSTALLATION, PASSWORDS)
    with psycopg.connect(database) as admin:
        admin.execute(f"set role {login(Role.CONTROLLER)}")
        rows = admin.execute("select digest, state from oltp.operations").fetchall()
    assert rows == [("x", None)]
