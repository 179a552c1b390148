"""A host gets Mailu by its pinned images and own secrets; what it has stays."""

from __future__ import annotations

import base64
import re
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from controlplane.ansible.faults import MAILU_REFUSED
from controlplane.images import faults as images
from controlplane.images.catalogue import ALL
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases.certificates import Certificates
from controlplane.reconciler.phases.identity import Identity
from controlplane.reconciler.ports import BANNER
from controlplane.verification.faults import NO_BANNER, OPEN_RELAY
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.memory_authority import issuing
from tests.support.phases import RightMailboxes
from tests.support.pinned_images import pin_images

__all__ = ["stepped"]
ZONE = "acme.example"


def host(name: str = "mx1", mail: str = "mailu") -> dict[str, Any]:
    return {"name": name, "size": "business", "zone": ZONE, "mail": mail}


@pytest.fixture
async def pinned(stepped: SteppedReconciler) -> dict[str, str]:
    """The names by which hosts pull their images, by service."""
    doubles: dict[type[AnyPhase], AnyPhase] = {
        Certificates: Certificates(issuing(stepped.clock)),
        Identity: Identity(RightMailboxes()),
    }
    stepped.phases[:] = [doubles.get(type(phase), phase) for phase in stepped.phases]
    return await pin_images(stepped.database)


async def test_a_host_gets_the_pinned_images_and_secrets_of_its_own(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    await stepped.apply(hosts=[host()])
    await stepped.step()
    variables, secrets = stepped.configurator.given["mx1"]
    assert variables["docker"] is True
    assert variables["mailu"] == {
        "domain": ZONE,
        "images": pinned,
        "subnet": "192.168.203.0/24",
        "messages_a_day": 50,
        "webmail": False,
        "held": False,
    }
    own = secrets["secret_mailu"]
    assert re.fullmatch("[0-9a-f]{64}", own["api_token"])
    assert re.fullmatch("[0-9a-f]{16}", own["secret_key"])
    key = load_pem_private_key(own["dkim"][ZONE].encode(), None).public_key()
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    rendered = (await stepped.api.get("/tenants/acme/blueprint")).json()
    assert rendered["keys"]["people"][ZONE]["public_key"] == base64.b64encode(public).decode()
    assert await stepped.condition("Ready") == ("True", "Ready")

    await stepped.apply(hosts=[{**host(), "webmail": True}, host("mx2", "none")])
    await stepped.until_quiet()
    assert stepped.configurator.given["mx1"][0]["mailu"]["webmail"] is True
    variables, secrets = stepped.configurator.given["mx2"]
    assert (variables["docker"], variables["mailu"]) == (False, None)
    assert "secret_mailu" not in secrets


async def test_no_trouble_of_mailu_withdraws_an_address_before_it_persists(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    await stepped.apply(hosts=[host()])
    await stepped.step()
    stepped.internet.wrong["address/mx1-1", BANNER] = NO_BANNER
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Verified", "address/mx1-1") == ("True", "Verified")
    assert await stepped.condition("Available") == ("True", "MailFlows")
    stepped.internet.wrong = {("address/mx1-1", "smtp.relay"): OPEN_RELAY}
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Verified", "address/mx1-1") == ("False", OPEN_RELAY.reason)
    assert await stepped.condition("Available") == ("False", "NoVerifiedAddress")


async def test_secrets_of_a_host_are_made_once(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    await stepped.apply(hosts=[host()])
    await stepped.step()
    before = stepped.configurator.given["mx1"][1]["secret_mailu"]
    stepped.configurator.playbooks = "other playbooks"
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert stepped.configurator.runs == ["mx1", "mx1"]
    assert stepped.configurator.given["mx1"][1]["secret_mailu"] == before


async def test_other_images_configure_hosts_with_mailu_once_more(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    await stepped.apply(hosts=[host(), host("mx2", "none")])
    await stepped.until_quiet()
    assert sorted(stepped.configurator.runs) == ["mx1", "mx2"]
    newer = await pin_images(stepped.database, "2024.06.60")
    stepped.clock.advance(minutes=11)
    await stepped.step()
    await stepped.until_quiet()
    assert sorted(stepped.configurator.runs) == ["mx1", "mx1", "mx2"]
    assert stepped.configurator.given["mx1"][0]["mailu"]["images"] == newer
    assert newer != pinned


async def test_mailbox_of_mailu_runs_no_playbook(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    await stepped.apply(hosts=[host()])
    await stepped.until_quiet()
    assert stepped.configurator.given["mx1"][0]["inbound"]["mailboxes"] == []
    people = [
        {"address": f"sales@{ZONE}"},
        {"address": f"info@{ZONE}", "aliases": [f"help@{ZONE}"]},
    ]
    await stepped.apply(hosts=[host()], mailboxes=people)
    await stepped.until_quiet()
    assert stepped.configurator.runs == ["mx1"]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_images_that_a_host_has_refused_are_not_tried_again_and_others_are(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    await stepped.apply(hosts=[host()])
    await stepped.step()
    await pin_images(stepped.database, "2024.06.60")
    stepped.configurator.fail_next("mx1", MAILU_REFUSED(reason="x"))
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", "HostsMailuRefused")
    assert await stepped.condition("Available") == ("True", "MailFlows")
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert stepped.configurator.runs == ["mx1"]

    await pin_images(stepped.database, "2024.06.61")
    stepped.clock.advance(minutes=11)
    await stepped.step()
    await stepped.until_quiet()
    assert stepped.configurator.runs == ["mx1", "mx1"]
    assert await stepped.condition("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/tenants"), ("PUT", "/tenants/acme"), ("POST", "/blueprints")]
)
async def test_mailu_is_refused_while_no_images_are_pinned(
    stepped: SteppedReconciler, method: str, path: str
) -> None:
    body = document(hosts=[host()])
    refused = (await stepped.api.request(method, path, json=body)).json()
    [violation] = refused["violations"]
    assert violation["path"] == "spec.hosts[0].mail"
    assert_shows(violation, images.NOT_PINNED, host="mx1", services=", ".join(sorted(ALL)))
    assert (await stepped.api.get("/tenants")).json()["items"] == []
    await pin_images(stepped.database)
    assert (await stepped.api.request(method, path, json=body)).is_success


async def test_a_host_that_names_no_mail_server_keeps_what_it_has(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(hosts=[host(mail="none")])
    await stepped.until_quiet()
    unnamed = document(hosts=[{**host(), "mail": None}])
    answer = await stepped.api.put("/tenants/acme", json=unnamed)
    assert (answer.headers["Penguin-Outcome"], answer.json()["generation"]) == ("unchanged", 1)
    shown = (await stepped.api.post("/blueprints", json=unnamed)).json()
    assert shown["hosts"][0]["mail"] == "none"


async def test_a_new_host_has_mailu_by_default_if_a_mailbox_is_there(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    unnamed = [{**host(name), "mail": None} for name in ("mx1", "mx2")]
    stored = (await stepped.apply(hosts=unnamed)).json()["document"]["spec"]["hosts"]
    assert [each["mail"] for each in stored] == ["mailu", "none"]
    again = (await stepped.apply(hosts=unnamed, mailboxes=[])).json()["document"]["spec"]["hosts"]
    assert [each["mail"] for each in again] == ["mailu", "none"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/tenants"), ("PUT", "/tenants/acme"), ("POST", "/blueprints")]
)
async def test_the_default_is_refused_while_no_images_are_pinned(
    stepped: SteppedReconciler, method: str, path: str
) -> None:
    body = document(hosts=[{**host(), "mail": None}])
    [violation] = (await stepped.api.request(method, path, json=body)).json()["violations"]
    assert violation["code"] == images.NOT_PINNED.name
    assert "penguin platform images pin" in violation["remedy"]


async def test_a_tenants_own_key_may_declare_a_host_with_mailu(
    stepped: SteppedReconciler, client_of: Any
) -> None:
    own = await client_of((await stepped.apply()).json()["id"])
    body = document(hosts=[host()])
    [violation] = (await own.put("/tenants/acme", json=body)).json()["violations"]
    assert violation["code"] == images.NOT_PINNED.name
    await pin_images(stepped.database)
    assert (await own.put("/tenants/acme", json=body)).is_success


async def test_a_host_waits_alone_for_an_image(
    stepped: SteppedReconciler, pinned: dict[str, str], upgraded: str
) -> None:
    await stepped.apply(hosts=[host(), host("mx2", "none")])
    with psycopg.connect(upgraded) as admin:
        admin.execute("delete from oltp.pinned_images where service = 'antispam'")
    await stepped.until_quiet()
    assert stepped.configurator.runs == ["mx2"]
    shown = await stepped.shown_condition("HostsConfigured", "host/mx1")
    assert (shown["status"], shown["reason"]) == ("Unknown", images.NOT_PINNED.reason)
    assert "antispam" in shown["message"]

    await pin_images(stepped.database)
    await stepped.until_quiet()
    assert stepped.configurator.runs == ["mx2", "mx1"]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_a_host_that_drains_keeps_mailu(
    stepped: SteppedReconciler, pinned: dict[str, str]
) -> None:
    await stepped.apply(hosts=[host(), host("mx2", "none")])
    await stepped.until_quiet()
    stepped.spools.queue_ids["mx1-1"] = {"4ABC"}
    await stepped.apply(hosts=[host("mx2", "none")])
    await stepped.until_quiet(2)
    variables, secrets = stepped.configurator.given["mx1"]
    assert variables["retired"] is True
    assert variables["mailu"]["images"] == pinned
    assert variables["mailu"]["domain"] == f"mx1.{ZONE}"
    assert secrets["secret_mailu"]["dkim"] == {}
