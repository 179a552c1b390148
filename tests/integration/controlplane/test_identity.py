"""The reconciler brings hosts with Mailu to the document; a pass without a reason asks no host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import text

from controlplane.ansible.faults import UNREACHABLE
from controlplane.database import CONTROLLER
from controlplane.mailu import faults
from controlplane.reconciler.phases.identity import Identity
from controlplane.reconciler.ports import INBOUND
from controlplane.verification.faults import INBOUND_REFUSED
from kit.files import write
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.mailu_admin import StandIn, stand_in, valkey_on_tcp
from tests.support.mailu_mailboxes import StandInMailboxes
from tests.support.pinned_images import pin_images
from tests.support.plain_http import plain_client

__all__ = ["stepped"]
HOST, DOMAIN = "host/mx1", "domain/acme.example"
HOSTS = [{"name": "mx1", "size": "business", "zone": "acme.example", "mail": "mailu"}]
BOXES = [{"address": "ann@acme.example", "aliases": ["sales@acme.example"], "quota": "2GB"}]
SPEC: dict[str, Any] = {"hosts": HOSTS, "mailboxes": BOXES}


@pytest.fixture(scope="module")
def valkey() -> Iterator[str]:
    with valkey_on_tcp() as address:
        yield address


@pytest.fixture
def admin(tmp_path: Path, valkey: str) -> Iterator[StandIn]:
    directory = tmp_path / "admin"
    directory.mkdir()
    with stand_in(directory, valkey) as running:
        yield running


@pytest.fixture
async def mailboxes(stepped: SteppedReconciler, admin: StandIn) -> StandInMailboxes:
    """Give the reconciler a host's Mailu."""
    await pin_images(stepped.database)
    double = StandInMailboxes(admin)
    [at] = [n for n, phase in enumerate(stepped.phases) if isinstance(phase, Identity)]
    stepped.phases[at] = Identity(double)
    return double


def shown(admin: StandIn, path: str) -> Any:
    """Return what Mailu shows."""
    with plain_client(admin.url, {"Authorization": admin.token}) as client:
        return client.get(f"/api/v1{path}").json()


async def opened(stepped: SteppedReconciler, purpose: str) -> str:
    """Return a secret of the tenant in clear."""
    query = "select tenant_id, sealed from oltp.secrets where purpose = :purpose"
    async with stepped.database.begin(CONTROLLER) as connection:
        row = (await connection.execute(text(query), {"purpose": purpose})).one()
    context = f"{row.tenant_id}/{purpose}"
    return stepped.vault.open(row.sealed, context=context).decode()


async def lay_key(stepped: SteppedReconciler, admin: StandIn) -> None:
    """Lay the key where Mailu reads it, as the playbooks do."""
    pem = await opened(stepped, "people-dkim/acme.example")
    write(admin.app.keys.path("acme.example"), pem)


async def look(stepped: SteppedReconciler, **later: int) -> None:
    stepped.clock.advance(**(later or {"minutes": 11}))
    assert await stepped.step()


async def test_a_host_gets_the_mailboxes_of_the_document(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    assert shown(admin, "/user/ann@acme.example")["quota_bytes"] == 2 * 10**9
    assert shown(admin, "/alias/sales@acme.example")["destination"] == ["ann@acme.example"]
    assert shown(admin, "/relay/b.acme.example")["comment"] == "pm:acme"
    reason = faults.KEY_MISSING.reason
    assert await stepped.condition("IdentityReady", DOMAIN) == ("False", reason)
    assert await stepped.condition("IdentityReady", HOST) == ("True", "Reconciled")
    await lay_key(stepped, admin)
    stepped.configurator.playbooks = "other playbooks"
    await look(stepped)
    assert await stepped.condition("IdentityReady", DOMAIN) == ("True", "Reconciled")
    assert ("identify", "succeeded", None) in await stepped.operations()


async def test_the_key_is_the_published_one_and_the_token_has_its_form(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    [(host, token)] = mailboxes.calls
    assert (host, token) == ("mx1", await opened(stepped, "mailu-token/mx1"))
    assert re.fullmatch("[0-9a-f]{64}", token)
    assert re.fullmatch("[0-9a-f]{16}", await opened(stepped, "mailu-secret-key/mx1"))
    key = load_pem_private_key((await opened(stepped, "people-dkim/acme.example")).encode(), None)
    assert key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    rendered = (await stepped.api.get("/tenants/acme/blueprint")).json()
    names = {record["name"] for record in rendered["records"]}
    assert "mu1._domainkey.acme.example" in names
    assert rendered["keys"]["people"]["acme.example"]["selector"] == "mu1"


async def test_the_token_of_our_mailbox_is_sealed_and_another_one_replaces_what_mailu_lost(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    first = await opened(stepped, "mailbox-token/acme.example")
    [shown_token] = shown(admin, "/tokenuser/penguinmails@acme.example")
    await look(stepped, hours=7)
    assert await opened(stepped, "mailbox-token/acme.example") == first
    with plain_client(admin.url, {"Authorization": admin.token}) as client:
        assert client.delete(f"/api/v1/token/{shown_token['id']}").status_code == 200
    await look(stepped, hours=7)
    assert await opened(stepped, "mailbox-token/acme.example") != first
    listed = (await stepped.api.get("/mailboxes", params={"tenant": "acme"})).text
    assert "ann@acme.example" in listed
    assert "penguinmails@" not in listed


async def test_a_pass_without_a_reason_asks_no_host(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    await look(stepped)
    assert len(mailboxes.calls) == 1
    await look(stepped, hours=7)
    assert len(mailboxes.calls) == 2
    await stepped.apply(hosts=HOSTS, mailboxes=[*BOXES, {"address": "bob@acme.example"}])
    await look(stepped)
    assert len(mailboxes.calls) == 3


async def test_a_host_without_mailu_is_not_asked(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    assert await stepped.condition("IdentityReady", HOST) == ("True", "NoMailu")
    assert await stepped.condition("IdentityReady") == ("True", "NoMailu")


async def test_mailu_that_is_not_reached_is_unknown_and_tried_again(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    mailboxes.dead = True
    await stepped.apply(**SPEC)
    await stepped.step()
    assert await stepped.condition("IdentityReady", HOST) == ("Unknown", UNREACHABLE.reason)
    assert await stepped.condition("SendingEnabled", DOMAIN) == ("True", "Published")
    mailboxes.dead = False
    await look(stepped)
    assert await stepped.condition("IdentityReady", HOST) == ("True", "Reconciled")
    assert shown(admin, "/user/ann@acme.example")["comment"] == "pm:acme"


async def test_what_changes_mailboxes_passes_with_the_token_of_the_lease(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    async with stepped.database.begin(CONTROLLER) as connection:
        token = (await connection.execute(text("select token from oltp.schedule"))).scalar_one()
    assert mailboxes.fences == [token]


async def test_a_host_that_does_not_know_its_domain_any_more_gets_it_again(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await stepped.apply(**SPEC)
    await stepped.until_quiet()
    with plain_client(admin.url, {"Authorization": admin.token}) as client:
        client.delete("/api/v1/domain/acme.example").raise_for_status()
    stepped.internet.wrong[DOMAIN, INBOUND] = INBOUND_REFUSED
    for _ in range(2):
        await look(stepped)
    assert shown(admin, "/user/ann@acme.example")["comment"] == "pm:acme"
    assert mailboxes.held == 2
