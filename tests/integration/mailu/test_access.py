"""Tokens and passwords: shown once, of the tenant's own mailboxes, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest

from controlplane.mailu import faults
from controlplane.mailu.access import (
    Mailbox,
    make_token,
    revoke_token,
    set_password,
    tokens,
)
from tests.support.faults import fault_shown
from tests.support.mailu_tenants import ACME, BOLT
from tests.support.plain_http import plain_client

from .conftest import PASSWORD, Host

ANN = Mailbox("acme", "ann@acme.example")
BOB = Mailbox("acme", "bob@acme.example")


def logs_in(host: Host, box: Mailbox, secret: str) -> bool:
    """Whether a mail client gets into a mailbox."""
    headers = {
        "Auth-Method": "plain",
        "Auth-Protocol": "imap",
        "Auth-Port": "993",
        "Auth-User": box.address,
        "Auth-Pass": secret,
        "Client-Ip": "240.0.0.9",
        "Auth-SSL": "on",
    }
    with plain_client(host.admin.url) as client:
        return client.get("/internal/auth/email", headers=headers).headers["Auth-Status"] == "OK"


def web_logs_in(host: Host, box: Mailbox, secret: str) -> bool:
    """Whether a person gets into the web pages."""
    with plain_client(host.admin.url) as client:
        answer = client.get(
            "/internal/auth/basic",
            auth=(box.address, secret),
            headers={"X-Real-IP": "240.0.0.9"},
        )
    return answer.status_code == 200


def names(host: Host, box: Mailbox) -> list[str]:
    """Return the names of a mailbox's tokens."""
    return sorted(each.name for each in tokens(host.api(), box))


@pytest.fixture
def running(host: Host) -> Host:
    host.run(ACME, BOLT)
    return host


def test_a_token_opens_the_mailbox_and_is_listed_without_its_secret(running: Host) -> None:
    secret = make_token(running.api(), ANN, "Thunderbird")
    assert logs_in(running, ANN, secret)
    assert not logs_in(running, BOB, secret)
    [named] = tokens(running.api(), ANN)
    assert named.name == "Thunderbird"
    assert named.token.comment == "pm:acme Thunderbird"
    assert secret not in repr(named)
    assert names(running, BOB) == []


def test_a_revoked_token_opens_nothing_and_others_stay(running: Host) -> None:
    phone = make_token(running.api(), ANN, "Phone")
    other = make_token(running.api(), ANN, "Thunderbird")
    assert revoke_token(running.api(), ANN, "Phone") == 1
    assert not logs_in(running, ANN, phone)
    assert logs_in(running, ANN, other)
    assert names(running, ANN) == ["Thunderbird"]


def test_a_name_is_used_once(running: Host) -> None:
    make_token(running.api(), ANN, "Phone")
    with fault_shown(faults.TOKEN_EXISTS, name="Phone"):
        make_token(running.api(), ANN, "Phone")
    make_token(running.api(), BOB, "Phone")


def test_what_a_person_made_is_listed_and_can_be_revoked(running: Host) -> None:
    for _ in range(2):
        running.made("/token", email=ANN.address, comment="lost phone")
    running.made("/token", email=BOB.address, comment="lost phone")
    assert names(running, ANN) == ["lost phone"] * 2
    assert revoke_token(running.api(), ANN, "lost phone") == 2
    assert names(running, ANN) == []
    assert names(running, BOB) == ["lost phone"]


def test_a_name_that_no_token_has_is_said(running: Host) -> None:
    with fault_shown(faults.NO_TOKEN):
        revoke_token(running.api(), ANN, "Thunderbird")


@pytest.mark.parametrize("name", ["", " x", "a/b", "<b>", "x\n", "x" * 61])
def test_a_name_that_is_none_makes_nothing(running: Host, name: str) -> None:
    with fault_shown(faults.TOKEN_NAME, name=repr(name)):
        make_token(running.api(), ANN, name)
    assert names(running, ANN) == []


def test_a_number_that_was_given_again_is_not_revoked(running: Host) -> None:
    make_token(running.api(), ANN, "Phone")
    [named] = tokens(running.api(), ANN)

    def meanwhile(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if request.url.path == f"/api/v1/tokenuser/{ANN.address}":
            running.wire.after = lambda _, answer: answer
            running.person("DELETE", f"/token/{named.token.id}")
            running.made("/token", email=BOB.address, comment="pm:acme Phone")
        return answer

    running.wire.after = meanwhile
    revoke_token(running.api(), ANN, "Phone")
    [other] = tokens(running.api(), BOB)
    assert (other.token.id, other.name) == (named.token.id, "Phone")


def test_a_revocation_whose_answer_is_lost_is_looked_up(running: Host) -> None:
    make_token(running.api(), ANN, "Phone")

    def lose(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if request.method == "DELETE":
            raise httpx2.ReadError("lost", request=request)
        return answer

    running.wire.after = lose
    assert revoke_token(running.api(), ANN, "Phone") == 1
    assert running.wire.writes[-1].startswith("DELETE ")
    assert names(running, ANN) == []


def test_a_token_whose_answer_is_lost_is_listed_and_its_name_is_in_use(running: Host) -> None:
    def lose(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if request.method == "POST":
            raise httpx2.ReadError("lost", request=request)
        return answer

    running.wire.after = lose
    with fault_shown(faults.UNCERTAIN, request=f"POST /tokenuser/{ANN.address}"):
        make_token(running.api(), ANN, "Phone")
    running.wire.after = lambda _, answer: answer
    with fault_shown(faults.TOKEN_EXISTS, name="Phone"):
        make_token(running.api(), ANN, "Phone")
    assert revoke_token(running.api(), ANN, "Phone") == 1
    assert logs_in(running, ANN, make_token(running.api(), ANN, "Phone"))


def test_a_new_password_opens_the_web_pages_alone_and_tokens_live_on(running: Host) -> None:
    token = make_token(running.api(), ANN, "Phone")
    before = running.person("GET", f"/user/{ANN.address}")
    password = set_password(running.api(), ANN)
    assert len(password) >= 24
    assert web_logs_in(running, ANN, password)
    assert not logs_in(running, ANN, password)
    assert logs_in(running, ANN, token)
    after = running.person("GET", f"/user/{ANN.address}")
    assert {**after, "password": before["password"]} == before
    assert set_password(running.api(), ANN) != password
    assert running.run(ACME, BOLT) == []


@pytest.mark.parametrize("box", [Mailbox("bolt", ANN.address), Mailbox("acme", "no@acme.example")])
def test_only_a_mailbox_of_the_tenant_is_reached(running: Host, box: Mailbox) -> None:
    make_token(running.api(), ANN, "Phone")
    for ask in (
        lambda: make_token(running.api(), box, "Phone"),
        lambda: revoke_token(running.api(), box, "Phone"),
        lambda: set_password(running.api(), box),
        lambda: tokens(running.api(), box),
    ):
        with fault_shown(faults.NO_MAILBOX, address=box.address, tenant=box.tenant):
            ask()
    assert names(running, ANN) == ["Phone"]


def test_a_mark_in_a_domain_of_another_tenant_opens_nothing(running: Host) -> None:
    running.made("/user", email="eve@acme.example", raw_password=PASSWORD, comment="pm:bolt")
    with fault_shown(faults.NO_MAILBOX, address="eve@acme.example", tenant="bolt"):
        set_password(running.api(), Mailbox("bolt", "eve@acme.example"))


def test_secrets_are_in_no_fault(running: Host) -> None:
    running.run(replace(ACME), BOLT)
    seen = []

    def lose(request: httpx2.Request, _: httpx2.Response) -> httpx2.Response:
        seen.append(request.content.decode())
        return httpx2.Response(500, json={"message": seen[-1]}, request=request)

    api = running.api()
    running.wire.after = lambda request, answer: (
        lose(request, answer) if request.method == "PATCH" else answer
    )
    with fault_shown(faults.UNCERTAIN, request=f"PATCH /user/{ANN.address}") as caught:
        set_password(api, ANN)
    [body] = seen
    assert "raw_password" in body
    assert body.partition('raw_password":"')[2].partition('"')[0] not in caught.value.sentence
