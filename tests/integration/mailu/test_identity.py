"""A host comes to what its tenants declare, and stays there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from controlplane.mailu import faults
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import DeclaredDomain, Finding, TenantMail
from kit.faults import Code
from lab.mailu.admin.keys import made
from tests.support.faults import assert_shows, fault_shown
from tests.support.mailu_tenants import ACME, ANN, BOB, BOLT, GB, box, mail_of

from .conftest import PASSWORD, Host, Killed

NOTHING = TenantMail("acme")


def found(plan: Plan, *codes: Code) -> list[tuple[str | None, str]]:
    """Return tenant and subject of the findings with these codes."""
    return [(f.tenant, f.subject) for f in plan.findings if f.fault.code in codes]


def finding(plan: Plan, code: Code) -> Finding:
    """Return the finding with a code."""
    [one] = [each for each in plan.findings if each.fault.code is code]
    return one


def test_a_host_gets_what_is_declared_and_then_nothing_more(host: Host) -> None:
    assert host.run(ACME) != []
    user = host.person("GET", "/user/ann@acme.example")
    assert user["comment"] == "pm:acme"
    assert user["quota_bytes"] == GB
    assert user["forward_enabled"]
    assert user["forward_keep"]
    assert user["forward_destination"] == ["ann@elsewhere.example"]
    aliases = {each["email"]: each for each in host.person("GET", "/alias")}
    assert {name: each["destination"] for name, each in aliases.items()} == {
        "sales@acme.example": ["ann@acme.example"],
        "%@acme.example": ["bob@acme.example"],
        "abuse@acme.example": ["penguinmails@acme.example"],
        "postmaster@acme.example": ["penguinmails@acme.example"],
    }
    assert [name for name, each in aliases.items() if each["wildcard"]] == ["%@acme.example"]
    assert {each["comment"] for each in aliases.values()} == {"pm:acme"}
    relay = {"name": "b.acme.example", "smtp": "[10.255.0.1]:10026", "comment": "pm:acme"}
    assert host.person("GET", "/relay") == [relay]
    before = len(host.wire.writes)
    assert host.plan(ACME).is_empty
    assert host.run(ACME) == []
    assert len(host.wire.writes) == before


def test_passwords_of_new_mailboxes_are_random_and_long(host: Host) -> None:
    host.run(ACME)
    bodies = [r.content.decode() for r in host.wire.requests if r.url.path == "/api/v1/user"]
    passwords = {body.partition('"raw_password":"')[2].partition('"')[0] for body in bodies}
    passwords.discard("")
    assert len(passwords) == 3
    assert all(len(password) > 40 for password in passwords)


def test_everything_that_differs_is_set_right(host: Host) -> None:
    host.run(ACME)
    host.person("PATCH", "/domain/acme.example", {"signup_enabled": True})
    changed = {"quota_bytes": 5, "allow_spoofing": True, "global_admin": True}
    host.person("PATCH", "/user/bob@acme.example", changed)
    away = {"forward_enabled": True, "forward_destination": ["x@elsewhere.example"]}
    host.person("PATCH", "/user/bob@acme.example", away)
    host.person("PATCH", "/user/ann@acme.example", {"forward_keep": False})
    host.person("PATCH", "/alias/sales@acme.example", {"destination": ["bob@acme.example"]})
    host.person("PATCH", "/relay/b.acme.example", {"smtp": "mx:elsewhere.example"})
    host.made("/domain/acme.example/manager", user_email="bob@acme.example")
    assert set(host.run(ACME)) == {
        "changed domain acme.example: signup_enabled",
        "changed user ann@acme.example: forward_destination, forward_enabled, forward_keep",
        "changed user bob@acme.example: allow_spoofing, forward_enabled, global_admin, quota_bytes",
        "changed alias sales@acme.example: destination, wildcard",
        "changed relay b.acme.example: smtp",
        "bob@acme.example no longer manages acme.example",
    }
    assert host.plan(ACME).is_empty
    bob = host.person("GET", "/user/bob@acme.example")
    assert not bob["forward_enabled"]
    assert bob["forward_destination"] == ["x@elsewhere.example"]  # Mailu cannot empty it


def test_what_a_person_changed_is_never_set_back(host: Host) -> None:
    host.run(ACME)
    own = {
        "raw_password": PASSWORD,
        "displayed_name": "Ann",
        "enabled": False,
        "enable_pop": False,
        "reply_enabled": True,
        "spam_threshold": 20,
    }
    host.person("PATCH", "/user/ann@acme.example", own)
    host.made("/token", email="ann@acme.example", comment="Thunderbird")
    before = host.person("GET", "/user/ann@acme.example")
    assert host.run(replace(ACME, mailboxes=(replace(ANN, quota_bytes=2 * GB), BOB))) == [
        "changed user ann@acme.example: quota_bytes"
    ]
    after = host.person("GET", "/user/ann@acme.example")
    assert after == {**before, "quota_bytes": 2 * GB}
    assert len(host.person("GET", "/tokenuser/ann@acme.example")) == 1


def test_what_somebody_else_made_is_reported_and_stays(host: Host) -> None:
    host.run(ACME)
    host.made("/domain", name="other.example")
    host.made("/user", email="x@other.example", raw_password=PASSWORD)
    host.made("/user", email="eve@acme.example", raw_password=PASSWORD)
    host.made("/alias", email="all@acme.example", destination=["ann@acme.example"])
    host.made("/alternative", name="alt.example", domain="acme.example")
    host.made("/relay", name="r.example", smtp="mx:elsewhere.example", comment="pm:gone")
    assert host.run(ACME) == []
    plan = host.plan(ACME)
    assert set(found(plan, faults.FOREIGN)) == {
        (None, "other.example"),
        (None, "r.example"),
        ("acme", "eve@acme.example"),
        ("acme", "all@acme.example"),
        ("acme", "acme.example"),
    }
    [one] = [each for each in plan.findings if each.subject == "eve@acme.example"]
    assert_shows(one.fault, faults.FOREIGN)


def test_a_mailbox_that_somebody_else_made_is_not_taken_over(host: Host) -> None:
    host.run(mail_of("acme", "acme.example"))
    host.made("/user", email="ann@acme.example", raw_password=PASSWORD)
    before = host.person("GET", "/user/ann@acme.example")
    host.run(ACME)
    assert_shows(finding(host.plan(ACME), faults.TAKEN).fault, faults.TAKEN)
    assert host.person("GET", "/user/ann@acme.example") == before
    names = {each["email"] for each in host.person("GET", "/alias")}
    assert "sales@acme.example" not in names  # it would lead to what is not ours
    assert "%@acme.example" in names
    host.person("PATCH", "/user/ann@acme.example", {"comment": "pm:acme"})
    host.run(ACME)
    assert host.plan(ACME).is_empty
    assert found(host.plan(ACME), faults.TAKEN) == []


@pytest.mark.parametrize("kind", ["alternative", "relay"])
def test_a_name_that_is_in_use_otherwise_is_reported(host: Host, kind: str) -> None:
    host.made("/domain", name="other.example")
    fields = {"domain": "other.example"} if kind == "alternative" else {"smtp": "[192.0.2.1]:25"}
    host.made(f"/{kind}", name="acme.example", **fields)
    assert [line for line in host.run(ACME) if "@" in line] == []
    one = finding(host.plan(ACME), faults.CONFLICT)
    assert_shows(one.fault, faults.CONFLICT, kind="domain", name="acme.example")


def test_a_limit_of_the_domain_ends_the_operation(host: Host) -> None:
    host.run(mail_of("acme", "acme.example"))
    host.person("PATCH", "/domain/acme.example", {"max_users": 1})
    with fault_shown(faults.CONFLICT) as caught:
        host.run(ACME)
    assert caught.value.where == "host/mx1"


def test_a_relay_makes_room_for_a_domain_of_its_name(host: Host) -> None:
    host.run(ACME)
    own = replace(ACME, domains=(*ACME.domains, DeclaredDomain("b.acme.example", "AAAA")))
    host.run(replace(own, return_paths=()))
    assert host.plan(replace(own, return_paths=())).is_empty
    assert "b.acme.example" in {each["name"] for each in host.person("GET", "/domain")}


def test_an_alias_becomes_a_mailbox_and_its_mail_has_a_place_throughout(host: Host) -> None:
    host.run(ACME)
    sales = replace(ACME, mailboxes=(replace(ANN, aliases=()), BOB, box("sales@acme.example")))
    lines = host.run(sales)
    assert lines.index("made user sales@acme.example") < lines.index(
        "removed alias sales@acme.example"
    )
    assert host.plan(sales).is_empty


def key_of(host: Host, domain: str) -> str:
    """Lay the key of a domain, and return its public half."""
    pem = made()
    (host.keys / f"{domain}.mu1.key").write_bytes(pem)
    public = load_pem_private_key(pem, password=None).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


def test_a_key_that_was_laid_before_agrees(host: Host) -> None:
    acme = mail_of("acme", "acme.example", public_key=key_of(host, "acme.example"))
    host.run(acme)
    assert host.plan(acme).findings == ()


def test_a_key_that_is_missing_broken_or_another_is_reported(host: Host) -> None:
    host.run(ACME)
    assert_shows(finding(host.plan(ACME), faults.KEY_MISSING).fault, faults.KEY_MISSING)
    key_of(host, "acme.example")
    assert_shows(finding(host.plan(ACME), faults.KEY_DIFFERS).fault, faults.KEY_DIFFERS)
    (host.keys / "acme.example.mu1.key").write_text("no key")
    plan = host.plan(ACME)
    assert_shows(finding(plan, faults.KEY_UNREADABLE).fault, faults.KEY_UNREADABLE)
    assert host.run(replace(ACME, mailboxes=(ANN, box("bob@acme.example", quota=5)))) == [
        "changed user bob@acme.example: quota_bytes"
    ]
    host.person("PATCH", "/domain/acme.example", {"signup_enabled": True})
    assert "changed domain acme.example: signup_enabled" in host.run(ACME)


def test_another_selector_is_another_key(host: Host) -> None:
    public = key_of(host, "acme.example")
    acme = mail_of("acme", "acme.example", public_key=public, selector="mu2")
    host.run(acme)
    assert found(host.plan(acme), faults.KEY_DIFFERS) == [("acme", "acme.example")]


def test_a_thousand_domains_are_not_listed_with_their_keys(host: Host) -> None:
    host.run(ACME)
    lists = [r for r in host.wire.requests if r.method == "GET" and r.url.path.count("/") == 3]
    assert lists
    assert all("X-Fields" in request.headers for request in lists)


def test_what_exists_of_another_domain_is_not_read_one_by_one(host: Host) -> None:
    host.made("/domain", name="other.example")
    host.plan(ACME)
    assert "/api/v1/domain/other.example" not in {r.url.path for r in host.wire.requests}


BEFORE = replace(
    ACME,
    domains=(*ACME.domains, DeclaredDomain("old.example", "AAAA")),
    mailboxes=(
        replace(ANN, quota_bytes=5, forward=(), aliases=()),
        box("carl@acme.example", "c@acme.example"),
    ),
    return_paths=("b.old.example",),
)
"""From this to ACME objects of each kind are made, changed and removed."""
CONFIRMED = ("carl@acme.example",)


def before(host: Host) -> None:
    """Bring a host to the state before, and forget how."""
    host.run(BEFORE)
    host.wire.requests.clear()
    host.recorded.clear()


def is_right(host: Host) -> bool:
    """Whether a host has what ACME declares, and nothing more of ours."""
    return host.plan(ACME).is_empty and not host.plan(ACME).removals


def kill_after(host: Host, number: int) -> None:
    """End the process after a write of this number, before its answer is read."""

    def kill(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if request.method != "GET" and len(host.wire.writes) == number:
            raise Killed
        return answer

    host.wire.after = kill


def test_killed_after_each_write_the_next_run_comes_right(make_host: Callable[..., Host]) -> None:
    host = make_host()
    before(host)
    host.run(ACME, confirmed=CONFIRMED)
    writes = len(host.wire.writes)
    assert writes > 10
    for number in range(1, writes + 1):
        host = make_host()
        before(host)
        kill_after(host, number)
        with pytest.raises(Killed):
            host.run(ACME, confirmed=CONFIRMED)
        host.run(ACME, confirmed=CONFIRMED)
        assert is_right(host), f"killed after write {number}: {host.wire.writes}"


@pytest.mark.parametrize("form", ["500", "broken off"])
def test_an_answer_that_is_lost_is_replaced_by_a_look(host: Host, form: str) -> None:
    before(host)

    def lose(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if request.method == "GET" or b"(removing)" in request.content:
            return answer
        if form == "500":
            return httpx2.Response(500, json={"message": "Internal error"}, request=request)
        raise httpx2.ReadError("lost", request=request)

    host.wire.after = lose
    host.run(ACME, confirmed=CONFIRMED)
    written = [(r.method, r.url.path, r.content) for r in host.wire.requests if r.method != "GET"]
    assert len(set(written)) == len(written)
    host.wire.after = lambda _, answer: answer
    assert is_right(host)


def test_a_write_that_admin_did_not_do_is_not_repeated_in_the_same_run(host: Host) -> None:
    host.run(BOLT)
    host.wire.requests.clear()
    host.wire.after = lambda request, answer: (
        httpx2.Response(500, json={"message": "Internal error"}, request=request)
        if request.method == "POST"
        else httpx2.Response(404, json={"code": 404, "message": ""}, request=request)
        if request.url.path == "/api/v1/domain/acme.example"
        else answer
    )
    with fault_shown(faults.UNCERTAIN, request="POST /domain"):
        host.run(ACME, BOLT)
    assert host.wire.writes == ["POST /api/v1/domain"]
