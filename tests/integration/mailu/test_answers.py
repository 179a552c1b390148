"""The client of Mailu's API bears odd answers, and concludes nothing from what it cannot read."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from controlplane.mailu import faults
from controlplane.mailu.api import Api
from controlplane.mailu.objects import ALIAS, ALTERNATIVE, DOMAIN, RELAY, USER
from tests.support.faults import fault_shown
from tests.support.plain_http import plain_client

from .conftest import PASSWORD, Host

ALLOWED = 5
"""Wrong tokens within an hour."""


def answering(status: int, content: bytes) -> Callable[..., httpx2.Response]:
    """Return an answer in place of admin's."""
    return lambda request, _: httpx2.Response(status, content=content, request=request)


def test_a_wrong_token_is_tried_once(host: Host) -> None:
    api = host.api("wrong")
    for _ in range(ALLOWED + 1):
        with fault_shown(faults.TOKEN_REFUSED) as caught:
            api.all(USER)
        assert caught.value.where == "host/mx1"
    assert len(host.wire.requests) == 1
    assert host.api().all(USER) == []


def test_a_locked_network_is_not_asked_again(host: Host) -> None:
    with plain_client(host.admin.url, {"Authorization": "wrong"}) as stranger:
        for _ in range(ALLOWED):
            assert stranger.get("/api/v1/user").status_code == 403
    api = host.api()
    for _ in range(2):
        with fault_shown(faults.LOCKED):
            api.all(USER)
    assert len(host.wire.requests) == 1


def test_admin_that_does_not_listen_is_unreachable(unused_tcp_port: int) -> None:
    with (
        plain_client(f"http://127.0.0.1:{unused_tcp_port}") as http,
        fault_shown(faults.UNREACHABLE, reason=...),
    ):
        Api(http, "x").all(USER)


def test_another_path_of_the_api_is_not_an_absent_object(make_host: Callable[..., Host]) -> None:
    host = make_host(WEB_API="/elsewhere")
    reason = "404 without JSON"
    with fault_shown(faults.UNCLEAR, request="GET /user/ann@acme.example", reason=reason):
        host.api().find(USER, "ann@acme.example")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!doctype html>", "200 without JSON"),
        (b"{}", "it is no list"),
        (b'[{"email": "ann@acme.example"}]', "its fields " + "..."),
    ],
    ids=["page", "object", "fields missing"],
)
def test_an_answer_of_something_else_is_unclear(host: Host, content: bytes, reason: str) -> None:
    host.wire.after = answering(200, content)
    shown: Any = ... if reason.endswith("...") else reason
    with fault_shown(faults.UNCLEAR, request="GET /user", reason=shown):
        host.api().all(USER)


def test_404_without_a_code_is_unclear(host: Host) -> None:
    host.wire.after = answering(404, b'{"message": "no such path"}')
    values = {"request": "GET /relay/b.acme.example", "reason": "404 without a code"}
    with fault_shown(faults.UNCLEAR, **values):
        host.api().find(RELAY, "b.acme.example")


def test_a_refusal_with_the_status_200_is_one(host: Host) -> None:
    with fault_shown(faults.REFUSED, status=400, request="GET /domain/nodot"):
        host.api().find(DOMAIN, "nodot")


def test_a_failure_of_a_read_is_a_failure(make_host: Callable[..., Host]) -> None:
    host = make_host(REDIS_ADDRESS="127.0.0.1:1")
    with fault_shown(faults.FAILED, request="GET /user"):
        host.api().all(USER)


def test_a_failure_of_a_write_is_uncertain(host: Host) -> None:
    with fault_shown(faults.UNCERTAIN, request="PATCH /domain/acme.example"):
        host.api().change(DOMAIN, "acme.example", {"comment": "x"})


def test_a_destination_that_is_no_user_is_refused_without_its_text(host: Host) -> None:
    api = host.api()
    api.create(DOMAIN, "acme.example", {})
    fields = {"destination": ["nobody@acme.example"], "comment": "", "wildcard": False}
    with fault_shown(faults.REFUSED, status=404, request="POST /alias") as caught:
        api.create(ALIAS, "sales@acme.example", fields)
    assert "nobody" not in caught.value.sentence


def test_a_name_that_is_in_use_is_no_failure(host: Host) -> None:
    api = host.api()
    assert api.create(RELAY, "acme.example", {"smtp": "[192.0.2.1]:25"})
    assert not api.create(DOMAIN, "acme.example", {})


def test_what_is_gone_can_be_removed(host: Host) -> None:
    host.api().remove(RELAY, "b.acme.example")
    assert host.api().find(RELAY, "b.acme.example") is None


def test_a_name_with_a_slash_never_becomes_a_path(host: Host) -> None:
    values = {"name": "a/b@acme.example", "reason": "it has a slash before the @"}
    with fault_shown(faults.NAME, **values):
        host.api().find(USER, "a/b@acme.example")
    assert host.wire.requests == []


@pytest.mark.parametrize("local", ["a?b", "a#b", "a%2fb", "%", "a{b}'c"])
def test_odd_local_parts_lead_to_their_object(host: Host, local: str) -> None:
    api = host.api()
    api.create(DOMAIN, "acme.example", {})
    fields = {"raw_password": PASSWORD, "comment": "pm:acme"}
    api.create(USER, f"{local}@acme.example", fields)
    found = api.find(USER, f"{local}@acme.example")
    assert found is not None
    assert found.key == f"{local}@acme.example"


def test_names_in_unicode_are_read_in_punycode(host: Host) -> None:
    api = host.api()
    name = "xn--bcher-kva.example"
    api.create(DOMAIN, name, {})
    api.create(USER, f"ann@{name}", {"raw_password": PASSWORD})
    host.made("/alternative", name="xn--caf-dma.example", domain=name)
    assert [each.key for each in api.all(DOMAIN)] == [name]
    assert [each.key for each in api.all(USER)] == [f"ann@{name}"]
    [alternative] = api.all(ALTERNATIVE)
    assert (alternative.key, alternative.domain) == ("xn--caf-dma.example", name)


def test_lists_are_read_although_a_key_is_broken(host: Host, tmp_path: Path) -> None:
    api = host.api()
    api.create(DOMAIN, "acme.example", {"comment": "pm:acme"})
    (host.keys / "acme.example.mu1.key").write_text("no key")
    [domain] = api.all(DOMAIN)
    assert (domain.key, domain.comment) == ("acme.example", "pm:acme")
    assert {r.headers["X-Fields"] for r in host.wire.requests if r.method == "GET"} == {
        "name,comment,signup_enabled"
    }


def test_what_is_null_and_left_out_of_a_list_is_empty(host: Host) -> None:
    host.made("/relay", name="b.acme.example")
    [relay] = host.api().all(RELAY)
    assert (relay.smtp, relay.comment) == ("", "")


def test_hashes_and_passwords_are_kept_nowhere(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = host.api()
    api.create(DOMAIN, "acme.example", {})
    api.create(USER, "ann@acme.example", {"raw_password": PASSWORD})
    stored = host.person("GET", "/user/ann@acme.example")["password"]
    user = api.find(USER, "ann@acme.example")
    assert stored not in repr(user)
    cut = {"email": "ann@acme.example", "password": stored, "quota_bytes": stored}
    host.wire.after = answering(200, json.dumps(cut).encode())
    with fault_shown(faults.UNCLEAR, request=..., reason=...) as caught:
        api.find(USER, "ann@acme.example")
    shown = [caught.value.sentence, caplog.text]
    assert not any(text in part for part in shown for text in (stored, PASSWORD))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_answer_that_breaks_off_is_uncertain_or_unreachable(host: Host) -> None:
    def lost(request: httpx2.Request, _: httpx2.Response) -> httpx2.Response:
        raise httpx2.ReadError("the connection broke", request=request)

    host.wire.after = lost
    with fault_shown(faults.UNREACHABLE, reason=...):
        host.api().all(USER)
    with fault_shown(faults.UNCERTAIN, request="POST /domain"):
        host.api().create(DOMAIN, "acme.example", {})
