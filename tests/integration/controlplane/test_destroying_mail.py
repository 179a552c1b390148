"""Mail of people is destroyed only if a person has agreed to it, and then wholly."""

from __future__ import annotations

from typing import Any

import httpx2
from sqlalchemy import text

from controlplane import faults
from controlplane.conditions.model import STALLED
from controlplane.database import CONTROLLER
from controlplane.mailu import faults as mailu
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_identity import (
    DOMAIN,
    HOST,
    HOSTS,
    SPEC,
    admin,
    lay_key,
    look,
    mailboxes,
    shown,
    valkey,
)
from tests.support.faults import assert_shows
from tests.support.mailu_admin import StandIn
from tests.support.mailu_mailboxes import StandInMailboxes
from tests.support.plain_http import plain_client

__all__ = ["admin", "mailboxes", "stepped", "valkey"]
ANN, BOB = "ann@acme.example", "bob@acme.example"
ONLY_BOB: dict[str, Any] = {"hosts": HOSTS, "mailboxes": [{"address": BOB}]}
OTHER_HOST: dict[str, Any] = SPEC | {"hosts": [HOSTS[0] | {"name": "mx2"}]}
AGREED = {"destroy_mail": "true"}


async def put(stepped: SteppedReconciler, spec: dict[str, Any], **query: str) -> httpx2.Response:
    return await stepped.api.put("/tenants/acme", json=document(**spec), params=query)


async def running(stepped: SteppedReconciler, admin: StandIn) -> None:
    """Bring a host to a mailbox that holds 3 MB and a bit."""
    await stepped.apply(**SPEC)
    await stepped.step()
    await lay_key(stepped, admin)
    with plain_client(admin.url) as client:
        assert client.post(f"/internal/dovecot/quota/storage/{ANN}", json=3_000_001).is_success
    await look(stepped, hours=7)


def users(admin: StandIn) -> set[str]:
    return {each["email"] for each in shown(admin, "/user")}


def destroys(answer: httpx2.Response, **values: object) -> None:
    """Assert that a change was refused, with the numbers."""
    assert answer.status_code == 409
    values = {"mailboxes": 1, "megabytes": 4, "names": f"{ANN} on mx1"} | values
    assert_shows(answer.json(), faults.DESTROYS_MAIL, **values)


async def test_taking_out_a_mailbox_needs_consent(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    destroys(await put(stepped, ONLY_BOB))
    assert (await stepped.tenant())["generation"] == 1
    assert (await put(stepped, ONLY_BOB, **AGREED)).status_code == 200
    await look(stepped)
    assert users(admin) == {BOB, "penguinmails@acme.example"}
    assert mailboxes.purged == [ANN]
    assert await stepped.condition("IdentityReady") == ("True", "Reconciled")


async def test_what_stays_needs_no_consent(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    more = SPEC | {"mailboxes": [{"address": ANN, "quota": "1GB"}, {"address": BOB}]}
    assert (await put(stepped, more)).status_code == 200
    await look(stepped)
    assert {ANN, BOB} <= users(admin)


async def test_consent_ends_when_a_mailbox_is_declared_again(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    mailboxes.dead = True
    assert (await put(stepped, ONLY_BOB, **AGREED)).status_code == 200
    await look(stepped)
    mailboxes.dead = False
    both = SPEC | {"mailboxes": [*SPEC["mailboxes"], {"address": BOB}]}
    assert (await put(stepped, both)).status_code == 200
    await look(stepped)
    assert ANN in users(admin)
    destroys(await put(stepped, ONLY_BOB))


async def test_the_reconciler_destroys_nothing_by_itself(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text("delete from oltp.held_mail"))
    assert (await put(stepped, ONLY_BOB)).status_code == 200
    await look(stepped)
    assert await stepped.condition("IdentityReady", DOMAIN) == ("False", mailu.HOLDS_MAIL.reason)
    values = {"kind": "user", "name": ANN, "mailboxes": 1, "megabytes": 4}
    assert_shows(await stepped.shown_condition("IdentityReady", HOST), mailu.HOLDS_MAIL, **values)
    assert await stepped.condition(STALLED) == ("True", mailu.HOLDS_MAIL.reason)
    assert ANN in users(admin)
    destroys(await put(stepped, ONLY_BOB))
    assert (await put(stepped, ONLY_BOB, **AGREED)).status_code == 200
    await look(stepped)
    assert ANN not in users(admin)
    assert await stepped.condition(STALLED) == ("False", "Done")


async def test_taking_out_a_host_needs_consent(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    destroys(await put(stepped, OTHER_HOST))
    assert (await put(stepped, OTHER_HOST, **AGREED)).status_code == 200
    await stepped.until_quiet()
    assert {host.name for host in stepped.cloud.state("acme").hosts} == {"mx2"}
    async with stepped.database.begin(CONTROLLER) as connection:
        hosts = await connection.execute(text("select distinct host from oltp.held_mail"))
        assert set(hosts.scalars()) <= {"mx2"}


async def test_a_host_whose_mail_came_after_the_consent_is_kept(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    assert (await put(stepped, OTHER_HOST, **AGREED)).status_code == 200
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(
            text(
                "insert into oltp.held_mail (tenant_id, host, address, size, is_ours) "
                "select id, 'mx1', 'eve@acme.example', 1, false from oltp.tenants"
            )
        )
    await stepped.until_quiet()
    assert {host.name for host in stepped.cloud.state("acme").hosts} >= {"mx1"}
    assert await stepped.condition(STALLED) == ("True", mailu.HOLDS_MAIL.reason)


async def test_deleting_a_tenant_needs_consent(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    destroys(await stepped.api.delete("/tenants/acme"))
    assert not (await stepped.tenant())["deleting"]
    assert (await stepped.api.delete("/tenants/acme", params=AGREED)).status_code == 202
    await stepped.until_quiet()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404


async def test_a_tenant_whose_mail_came_after_the_consent_is_not_deleted(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    assert (await stepped.api.delete("/tenants/acme", params=AGREED)).status_code == 202
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.held_mail set confirmed = false"))
    await stepped.until_quiet()
    assert await stepped.condition(STALLED) == ("True", mailu.HOLDS_MAIL.reason)
    assert stepped.cloud.state("acme").hosts
    assert (await stepped.api.delete("/tenants/acme", params=AGREED)).status_code == 202
    await stepped.until_quiet()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404


async def test_a_mailbox_that_was_never_looked_at_holds_mail(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    mailboxes.dead = True
    await stepped.apply(**SPEC)
    await stepped.step()
    destroys(await put(stepped, ONLY_BOB), megabytes=0)


async def test_a_name_waits_for_the_files_of_its_predecessor(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    mailboxes.kept_files = {ANN}
    await put(stepped, ONLY_BOB, **AGREED)
    await look(stepped)
    assert ANN not in users(admin)
    await put(stepped, SPEC, **AGREED)
    await look(stepped)
    assert await stepped.condition("IdentityReady", DOMAIN) == ("False", mailu.NOT_PURGED.reason)
    assert ANN not in users(admin)
    mailboxes.kept_files = set()
    await look(stepped)
    assert ANN in users(admin)
    assert mailboxes.purged.count(ANN) == 1
    assert await stepped.condition("IdentityReady", DOMAIN) == ("True", "Reconciled")


async def test_a_mailbox_that_is_declared_again_before_its_removal_keeps_its_mail(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    async with stepped.database.begin(CONTROLLER) as connection:
        query = "insert into oltp.purges select id, 'mx1', :name from oltp.tenants"
        await connection.execute(text(query), {"name": ANN})
    await look(stepped, hours=7)
    assert mailboxes.purged == []
    async with stepped.database.begin(CONTROLLER) as connection:
        left = await connection.execute(text("select count(*) from oltp.purges"))
        assert left.scalar_one() == 0
