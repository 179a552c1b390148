"""On one host no tenant gets into the domains, mailboxes and return paths of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controlplane.mailu import faults
from controlplane.mailu.declared import DeclaredDomain, TenantMail
from tests.support.faults import assert_shows
from tests.support.mailu_tenants import ACME, BOLT, box

from .conftest import Host
from .test_identity import finding, found

KINDS = ("domain", "user", "alias", "relay")


def of_acme(host: Host) -> dict[str, list[dict[str, Any]]]:
    """Return all that a host has in acme's domain, with hashes of passwords."""
    return {
        kind: [each for each in host.person("GET", f"/{kind}") if "acme.example" in str(each)]
        for kind in KINDS
    }


ATTEMPTS = {
    "its mailbox": {"mailboxes": (box("ann@acme.example", forward=("eve@bolt.example",)),)},
    "a new mailbox": {"mailboxes": (box("new@acme.example"),)},
    "an alias": {"mailboxes": (box("eve@bolt.example", "sales@acme.example"),)},
    "a new alias": {"mailboxes": (box("eve@bolt.example", "new@acme.example"),)},
    "a catch-all": {
        "domains": (DeclaredDomain("bolt.example", "AAAA", catch_all="ann@acme.example"),),
        "mailboxes": (box("ann@acme.example"),),
    },
    "its return path": {"return_paths": ("b.acme.example",)},
    "a new return path": {"return_paths": ("c.acme.example",)},
    "its domain as a return path": {"return_paths": ("acme.example",)},
    "its domain": {"domains": (DeclaredDomain("acme.example", "BBBB"),)},
    "a domain below": {
        "domains": (*BOLT.domains, DeclaredDomain("b.acme.example", "BBBB")),
        "mailboxes": (box("x@b.acme.example"),),
    },
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
@pytest.mark.parametrize("first", [True, False], ids=["listed first", "listed last"])
def test_nothing_of_another_tenant_changes(
    host: Host, attempt: dict[str, Any], first: bool
) -> None:
    host.run(ACME, BOLT)
    before = of_acme(host)
    bolt = replace(BOLT, **attempt)
    tenants = (bolt, ACME) if first else (ACME, bolt)
    host.run(*tenants)
    plan = host.plan(*tenants)
    assert of_acme(host) == before
    assert all("acme.example" not in each.key for each in (*plan.writes, *plan.removals))
    assert "bolt" in {tenant for tenant, _ in found(plan, faults.OUTSIDE, faults.CONTESTED)}


def test_a_domain_that_two_want_is_left_as_it_is(host: Host) -> None:
    host.run(ACME)
    bolt = replace(BOLT, domains=(*BOLT.domains, *ACME.domains))
    plan = host.plan(replace(ACME, mailboxes=()), bolt)
    assert not [each for each in (*plan.writes, *plan.removals) if "acme.example" in each.key]
    assert found(plan, faults.CONTESTED) == [("acme", "acme.example"), ("bolt", "acme.example")]
    for each in plan.findings:
        if each.fault.code is faults.CONTESTED:
            assert_shows(each.fault, faults.CONTESTED)


def test_what_is_outside_the_own_domains_is_reported(host: Host) -> None:
    bolt = replace(BOLT, mailboxes=(box("ann@acme.example"),))
    one = finding(host.plan(ACME, bolt), faults.OUTSIDE)
    assert (one.tenant, one.subject) == ("bolt", "ann@acme.example")
    assert_shows(one.fault, faults.OUTSIDE)


def test_a_domain_passes_to_another_tenant_only_after_its_mail_is_gone(host: Host) -> None:
    host.run(ACME, BOLT)
    left = TenantMail("acme")
    bolt = replace(BOLT, domains=(*BOLT.domains, DeclaredDomain("acme.example", "BBBB")))
    bolt = replace(bolt, mailboxes=(*BOLT.mailboxes, box("ann@acme.example")))
    before = host.person("GET", "/user/ann@acme.example")
    host.run(left, bolt)
    plan = host.plan(left, bolt)
    assert found(plan, faults.HOLDS_MAIL) == [("acme", "acme.example")]
    assert found(plan, faults.TAKEN) == [("bolt", "acme.example")]
    assert host.person("GET", "/user/ann@acme.example") == before
    host.run(left, bolt, confirmed=("ann@acme.example", "bob@acme.example"))
    host.run(left, bolt)
    after = host.person("GET", "/user/ann@acme.example")
    assert after["comment"] == "pm:bolt"
    assert after["password"] != before["password"]


def test_a_mark_in_a_domain_of_another_tenant_is_no_mark(host: Host) -> None:
    host.run(ACME, BOLT)
    host.made("/user", email="eve@acme.example", raw_password="x", comment="pm:bolt")
    host.made("/alias", email="x@acme.example", destination=[], comment="pm:bolt")
    host.run(ACME, BOLT, confirmed=("eve@acme.example",))
    plan = host.plan(ACME, BOLT)
    assert set(found(plan, faults.FOREIGN)) == {
        ("acme", "eve@acme.example"),
        ("acme", "x@acme.example"),
    }


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("a/b@bolt.example", "it has a slash before the @"),
        ("penguinmails@bolt.example", "it is the control plane's own mailbox"),
        ("Eve@bolt.example", "it has capitals"),
        ("eve@straße.example", "it is no mail address"),
        ("eve@bolt", "it is no mail address"),
    ],
)
def test_a_name_that_mailu_cannot_have_blocks_itself_alone(
    host: Host, address: str, reason: str
) -> None:
    domains = (*BOLT.domains, DeclaredDomain(address.rpartition("@")[2], "AAAA"))
    domains = tuple({each.name: each for each in domains}.values())
    bolt = replace(
        BOLT, domains=domains, mailboxes=(box(address, "odd@bolt.example"), *BOLT.mailboxes)
    )
    host.run(bolt)
    assert "eve@bolt.example" in {each["email"] for each in host.person("GET", "/user")}
    assert "odd@bolt.example" not in {each["email"] for each in host.person("GET", "/alias")}
    [one] = [each for each in host.plan(bolt).findings if each.subject == address]
    assert_shows(one.fault, faults.NAME, name=address, reason=reason)


def test_a_domain_that_mailu_shows_otherwise_is_refused(host: Host) -> None:
    name = "xn--strae-oqa.example"  # IDNA 2008; that of 2003 has no such name
    bolt = replace(BOLT, domains=(DeclaredDomain(name, "AAAA"),), mailboxes=(box(f"a@{name}"),))
    host.run(bolt)
    assert host.person("GET", "/domain") == []
    assert found(host.plan(bolt), faults.NAME) == [("bolt", name), ("bolt", f"a@{name}")]
