"""Mail is destroyed only when a person says so, and its files never reach the next owner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controlplane.mailu import faults
from controlplane.mailu.applying import apply
from controlplane.mailu.comparison import Removal
from controlplane.mailu.declared import TenantMail
from tests.support.faults import assert_shows, fault_shown
from tests.support.mailu_tenants import ACME, ANN, BOB, BOLT, mail_of
from tests.support.plain_http import plain_client

from .conftest import PASSWORD, Host
from .test_identity import NOTHING, finding, found

BOTH = ("ann@acme.example", "bob@acme.example")
WITHOUT_BOB = replace(
    ACME, mailboxes=(ANN,), domains=(replace(ACME.domains[0], catch_all="ann@acme.example"),)
)


def users(host: Host) -> set[str]:
    """Return the mailboxes of a host."""
    return {each["email"] for each in host.person("GET", "/user")}


def fill(host: Host, address: str, amount: int) -> None:
    """Let a mailbox hold mail, as Dovecot reports it."""
    with plain_client(host.admin.url) as client:
        path = f"/internal/dovecot/quota/storage/{address}"
        assert client.post(path, json=amount).status_code == 200


def test_a_mailbox_that_is_no_longer_declared_stays_until_it_is_confirmed(host: Host) -> None:
    host.run(ACME)
    fill(host, "bob@acme.example", 3_400_001)
    lines = host.run(WITHOUT_BOB)
    assert lines == ["changed alias %@acme.example: destination, wildcard"]
    assert "bob@acme.example" in users(host)
    one = finding(host.plan(WITHOUT_BOB), faults.HOLDS_MAIL)
    values = {"kind": "user", "name": "bob@acme.example", "mailboxes": 1, "megabytes": 4}
    assert_shows(one.fault, faults.HOLDS_MAIL, **values)
    assert host.run(WITHOUT_BOB) == []
    assert host.recorded == []
    assert host.run(WITHOUT_BOB, confirmed=("bob@acme.example",)) == [
        "removed user bob@acme.example with 1 mailbox(es)"
    ]
    assert "bob@acme.example" not in users(host)


def test_what_has_to_be_purged_is_recorded_before_the_first_write(host: Host) -> None:
    host.run(ACME)
    writes = len(host.wire.writes)
    recorded: list[tuple[Removal, int]] = []
    plan = host.plan(NOTHING)

    def record(removal: Removal) -> None:
        recorded.append((removal, len(host.wire.writes)))

    list(apply(host.api(), plan, record=record, confirmed=BOTH))
    [(removal, written)] = recorded
    assert (removal.kind, removal.key) == ("domain", "acme.example")
    assert set(removal.users) == {
        "ann@acme.example",
        "bob@acme.example",
        "penguinmails@acme.example",
    }
    assert set(removal.people) == set(BOTH)
    assert written == writes + 1  # the relay, which holds no mail


def test_what_was_closed_for_removal_and_is_declared_again_is_opened(host: Host) -> None:
    host.run(ACME)
    closed = {"enabled": False, "comment": "pm:acme (removing)"}
    host.person("PATCH", "/user/bob@acme.example", closed)
    assert host.run(ACME) == ["changed user bob@acme.example: comment, enabled"]
    assert host.plan(ACME).is_empty


def test_a_domain_without_peoples_mailboxes_goes_by_itself(host: Host) -> None:
    host.run(mail_of("acme", "acme.example"))
    assert host.run(NOTHING) == [
        "removed relay b.acme.example",
        "removed domain acme.example with 0 mailbox(es)",
    ]
    assert users(host) == set()
    [removal] = host.recorded
    assert removal.users == ("penguinmails@acme.example",)


def test_a_domain_stays_with_all_that_is_in_it_until_it_is_confirmed(host: Host) -> None:
    host.run(ACME)
    assert host.run(NOTHING) == ["removed relay b.acme.example"]
    values = {"kind": "domain", "name": "acme.example", "mailboxes": 2, "megabytes": 0}
    assert_shows(finding(host.plan(NOTHING), faults.HOLDS_MAIL).fault, faults.HOLDS_MAIL, **values)
    assert len(host.person("GET", "/alias")) == 4
    assert host.run(NOTHING, confirmed=BOTH[:1]) == []
    host.run(NOTHING, confirmed=BOTH)
    assert host.person("GET", "/domain") == []


def test_a_domain_in_which_others_have_something_is_not_removed(host: Host) -> None:
    host.run(ACME)
    host.made("/user", email="eve@acme.example", raw_password=PASSWORD)
    host.run(NOTHING, confirmed=BOTH)
    one = finding(host.plan(NOTHING), faults.NOT_EMPTY)
    assert_shows(one.fault, faults.NOT_EMPTY)
    assert users(host) >= {"eve@acme.example", "ann@acme.example"}


@pytest.mark.parametrize(
    ("path", "named", "fields"),
    [
        ("/alias", "alias x@acme.example", {"destination": ["ann@acme.example"]}),
        ("/user", "user x@acme.example", {"raw_password": PASSWORD}),
        ("/user", "user x@acme.example", {"raw_password": PASSWORD, "comment": "pm:acme"}),
        ("/alternative", "alternative x.example", {"domain": "acme.example"}),
    ],
)
def test_what_comes_into_a_domain_after_the_plan_keeps_it(
    host: Host, path: str, named: str, fields: dict[str, Any]
) -> None:
    host.run(ACME)
    plan = host.plan(NOTHING)
    key = named.split()[1]
    host.made(path, **{"email" if "@" in key else "name": key}, **fields)
    values = {"name": "acme.example", "objects": named}
    with fault_shown(faults.NOT_EMPTY, **values):
        list(apply(host.api(), plan, record=host.recorded.append, confirmed=BOTH))
    assert host.recorded == []


def test_a_name_waits_until_the_files_of_its_predecessor_are_gone(host: Host) -> None:
    host.run(WITHOUT_BOB)
    plan = host.plan(ACME, unpurged=("bob@acme.example",))
    assert found(plan, faults.NOT_PURGED) == [("acme", "bob@acme.example")]
    values = {"name": "bob@acme.example"}
    assert_shows(finding(plan, faults.NOT_PURGED).fault, faults.NOT_PURGED, **values)
    assert "bob@acme.example" not in {each.key for each in plan.writes}
    assert not host.plan(ACME).is_empty


def test_a_domain_whose_files_are_left_waits_with_all_its_addresses(host: Host) -> None:
    plan = host.plan(ACME, BOLT, unpurged=("acme.example",))
    assert found(plan, faults.NOT_PURGED) == [("acme", "acme.example")]
    assert {each.tenant for each in plan.writes} == {"acme", "bolt"}
    assert [each.key for each in plan.writes if each.tenant == "acme"] == ["b.acme.example"]


def test_what_a_tenant_left_is_reported_while_its_list_is_not_given(host: Host) -> None:
    host.run(ACME, BOLT)
    plan = host.plan(BOLT)
    assert plan.is_empty
    assert plan.removals == ()
    assert (None, "acme.example") in found(plan, faults.FOREIGN)


def test_an_alias_and_a_relay_hold_no_mail_and_go(host: Host) -> None:
    host.run(ACME)
    bare = TenantMail("acme", ACME.domains, (replace(ANN, aliases=()), BOB))
    assert host.run(bare) == ["removed relay b.acme.example", "removed alias sales@acme.example"]
