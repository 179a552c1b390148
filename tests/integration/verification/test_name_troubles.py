"""Trouble on the way to an answer: other servers decide, and nothing unanswered is a verdict."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from controlplane.verification import InternetVerifier, faults
from kit.faults import Code
from tests.support.faults import any_values, assert_shows

from .conftest import STATE, blueprint_of, shown_by
from .name_server import IP, NAMES, SECOND, NameServer
from .test_names import ACME, ADDRESS, MANUAL, remarks, verify, wrong

QUICK = 2.0
"""Seconds for each try at a server that does not answer."""
TROUBLES = {
    "silent": faults.NO_ANSWER,
    "servfail": faults.SERVER_FAILED,
    "refused": faults.REFUSED,
    "lame": faults.LAME,
    "no tcp": faults.TCP_CLOSED,
    "notauth": faults.LOOKUP_FAILED,
}
"""What one of a zone's two servers does, and how its finding is named."""


def unresolvable(names: NameServer) -> None:
    names.set_record("ns2.lab.example", "A")


def without_addresses(names: NameServer) -> None:
    for name in NAMES.values():
        names.set_record(name, "A")


def in_a_circle(names: NameServer) -> None:
    names.set_record("b.acme.example", "MX")
    names.set_record("b.acme.example", "CNAME", "c.acme.example.")
    names.set_record("c.acme.example", "CNAME", "b.acme.example.")


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_server_in_trouble_is_named_and_the_others_decide(names, blueprint, trouble) -> None:
    names.trouble[SECOND] = trouble
    findings = await verify(names, blueprint, query_timeout=QUICK)
    assert wrong(findings) == set()
    assert remarks(findings) == {
        (subject, TROUBLES[trouble]) for subject in (ACME, ADDRESS, MANUAL)
    }
    named = {f.message for f in findings if f.code}
    assert all("ns2.lab.example" in message for message in named)
    names.set_record("acme.example", "MX")
    findings = await verify(names, blueprint, query_timeout=QUICK)
    assert wrong(findings) == {(ACME, "dns.authoritative", False, faults.MISSING)}


async def test_name_server_without_an_address_is_named_and_the_others_decide(
    names, blueprint
) -> None:
    unresolvable(names)
    findings = await verify(names, blueprint)
    assert wrong(findings) == set()
    assert {code for _, code in remarks(findings)} == {faults.NO_ADDRESS}


async def test_wrong_answer_of_either_server_is_wrong(names, blueprint) -> None:
    names.elsewhere["acme.example", "MX"] = ["10 elsewhere.example."]
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(ACME, "dns.authoritative", False, faults.DIFFERENT)}


ALL: dict[str, tuple[Callable[[NameServer], object], Code]] = {
    "the resolver is silent": (lambda n: n.trouble.update(cached="silent"), faults.NO_ANSWER),
    "the resolver fails": (lambda n: n.trouble.update(cached="servfail"), faults.SERVER_FAILED),
    "the resolver refuses": (lambda n: n.trouble.update(cached="refused"), faults.REFUSED),
    "TCP is closed": (lambda n: n.trouble.update(cached="no tcp"), faults.TCP_CLOSED),
    "all servers are silent": (lambda n: n.trouble.update(own="silent"), faults.NO_ANSWER),
    "all servers fail": (lambda n: n.trouble.update(own="servfail"), faults.SERVER_FAILED),
    "all servers are lame": (lambda n: n.trouble.update(own="lame"), faults.LAME),
    "no server has an address": (
        without_addresses,
        faults.NO_ADDRESS,
    ),
    "each server in its own way": (
        lambda n: n.trouble.update({IP: "refused", SECOND: "lame"}),
        faults.LOOKUP_FAILED,
    ),
    "signatures do not validate": (lambda n: n.bogus.add("example"), faults.BOGUS),
    "aliases in a circle": (in_a_circle, faults.ALIAS_LOOP),
}


@pytest.mark.parametrize(("cause", "code"), ALL.values(), ids=ALL)
async def test_nothing_answered_is_no_verdict(names, blueprint, cause, code) -> None:
    cause(names)
    findings = await verify(names, blueprint, query_timeout=QUICK)
    found = wrong(findings)
    assert {code for *_, code in found if code is not faults.MISSING} == {code}
    assert all(ok is None for _, _, ok, code in found if code is not faults.MISSING)
    assert ACME in {subject for subject, *_ in found}
    shown = next(shown_by(f) for f in findings if f.code is code)
    assert_shows(shown, code, **any_values(code))


async def test_bogus_zone_concerns_only_its_names(names, blueprint) -> None:
    names.bogus.add("manual.example")
    assert {(s, ok, code) for s, _, ok, code in wrong(await verify(names, blueprint))} == {
        (MANUAL, None, faults.BOGUS)
    }


async def test_failure_that_passes_is_no_broken_signature(names, blueprint) -> None:
    names.fails_once.add("b.acme.example")
    assert wrong(await verify(names, blueprint)) == set()


async def test_owner_of_a_name_in_a_zone_is_told_to_delegate_the_zone(names) -> None:
    below = blueprint_of(mailboxes=False, manual="go.manual.example")
    names.serve(below, {"mx1-1": IP})
    for zone in ("go.manual.example", "manual.example"):
        names.set_record(zone, "NS")
    own = [f for f in await verify(names, below) if f.subject == "domain/go.manual.example"]
    [finding] = [f for f in own if not f.ok]
    assert finding.code is faults.NOT_DELEGATED
    assert finding.message == "zone manual.example is not delegated to any name server"
    assert finding.remedy == "enter the name servers of manual.example at its registrar"


async def test_zone_that_is_not_delegated_is_wrong(names, blueprint) -> None:
    names.set_record("acme.example", "NS")
    found = wrong(await verify(names, blueprint))
    expected = {(s, "dns.authoritative", False, faults.NOT_DELEGATED) for s in (ACME, ADDRESS)}
    assert expected <= found
    assert {subject for subject, *_ in found} == {ACME, ADDRESS}


async def test_servers_are_found_at_the_parent_where_the_resolver_cannot_reach_them(
    names, blueprint
) -> None:
    names.delegate("example")
    names.unreachable.add("acme.example")
    names.trouble[SECOND] = "refused"
    found = wrong(findings := await verify(names, blueprint))
    assert {(ok, code) for s, _, ok, code in found if s == ACME} == {(None, faults.SERVER_FAILED)}
    assert (ACME, faults.REFUSED) in remarks(findings)


async def test_server_that_does_not_know_edns_is_understood(names, blueprint) -> None:
    names.trouble = {IP: "formerr", SECOND: "formerr"}
    findings = await verify(names, blueprint)
    assert wrong(findings) == set()
    assert remarks(findings) == set()


async def test_machine_without_a_resolver_decides_nothing(blueprint, monkeypatch) -> None:
    monkeypatch.setattr("controlplane.verification.names._resolvers", lambda _: [])
    findings = list(await InternetVerifier().verify_dns(blueprint, STATE))
    assert {(ok, code) for _, _, ok, code in wrong(findings)} == {(None, faults.NO_RESOLVER)}
    assert_shows(shown_by(findings[0]), faults.NO_RESOLVER)
