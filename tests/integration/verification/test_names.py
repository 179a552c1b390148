"""A fault of the name service has one finding."""

from __future__ import annotations

import pytest

from controlplane.reconciler.ports import CloudState, Finding
from controlplane.verification import InternetVerifier, faults
from kit.faults import Code

from .conftest import HELO, IP, STATE, assert_shown, reverse

ACME, MANUAL, ADDRESS = "domain/acme.example", "domain/manual.example", "address/mx1-1"


async def verify(names, blueprint, state: CloudState = STATE) -> list[Finding]:
    address = f"{IP}:{names.port}"
    verifier = InternetVerifier(resolver=address, authoritative_port=names.port)
    return list(await verifier.verify_dns(blueprint, state))


def wrong(findings: list[Finding]) -> set[tuple[str, str, bool | None, Code | None]]:
    assert_shown(findings)
    return {(f.subject, f.check, f.ok, f.code) for f in findings if not f.ok}


@pytest.mark.parametrize("long", [False, True])
async def test_right_records_have_no_finding_against_them(names, blueprint, long) -> None:
    names.long = long
    findings = await verify(names, blueprint)
    assert wrong(findings) == set()
    checks = {f.check for f in findings}
    assert checks == {"dns.authoritative", "dns.recursive", "dns.manual", "fcrdns"}
    assert {ACME, MANUAL, ADDRESS} == {f.subject for f in findings}


@pytest.mark.parametrize(
    ("name", "type_", "contents", "expected"),
    [
        ("acme.example", "MX", [], (ACME, "dns.authoritative", False, faults.MISSING)),
        ("_dmarc.acme.example", "TXT", [], (ACME, "dns.authoritative", False, faults.MISSING)),
        (
            "acme.example", "TXT", ['"google-site-verification=x"'],
            (ACME, "dns.authoritative", False, faults.MISSING),
        ),
        (
            "acme.example", "MX", ["10 elsewhere.example."],
            (ACME, "dns.authoritative", False, faults.DIFFERENT),
        ),
        (
            "acme.example", "MX", [f"20 {HELO}."],
            (ACME, "dns.authoritative", False, faults.DIFFERENT),
        ),
        (
            "out.mx1.acme.example", "A", ["192.0.2.1"],
            (ADDRESS, "dns.authoritative", False, faults.DIFFERENT),
        ),
        (
            "b.manual.example", "CNAME", ["elsewhere.example."],
            (MANUAL, "dns.manual", False, faults.DIFFERENT),
        ),
        ("manual.example", "MX", [], (MANUAL, "dns.manual", False, faults.MISSING)),
        ("acme.example", "NS", [], None),
        (reverse(), "PTR", [], (ADDRESS, "fcrdns", False, faults.PTR_DIFFERENT)),
        (reverse(), "PTR", ["c.example."], (ADDRESS, "fcrdns", False, faults.PTR_DIFFERENT)),
        (
            reverse(), "PTR", [f"{HELO}.", "c.example."],
            (ADDRESS, "fcrdns", False, faults.PTR_DIFFERENT),
        ),
    ],
)  # fmt: skip
async def test_wrong_record_has_one_finding(
    names, blueprint, name, type_, contents, expected
) -> None:
    names.set_record(name, type_, *contents)
    finding = await verify(names, blueprint)
    if expected is None:
        expected_all = {
            (s, "dns.authoritative", False, faults.NOT_DELEGATED) for s in (ACME, ADDRESS)
        }
    else:
        expected_all = {expected}
    assert wrong(finding) == expected_all
    assert all(f.remedy for f in finding if not f.ok)


async def test_second_spf_record_is_a_fault(names, blueprint) -> None:
    for table in (names.own, names.cached):
        table["acme.example", "TXT"].append('"v=spf1 include:other.example -all"')
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(ACME, "dns.authoritative", False, faults.SEVERAL_SPF)}


async def test_record_cached_with_older_content_says_how_long_to_wait(names, blueprint) -> None:
    names.cached["acme.example", "MX"] = ["10 elsewhere.example."]
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(ACME, "dns.recursive", False, faults.DIFFERENT)}
    assert "wait 300 s" in next(f.remedy for f in findings if not f.ok)


async def test_reverse_name_of_another_address_is_not_confirmed(names, blueprint) -> None:
    names.cached[HELO, "A"] = ["192.0.2.9"]
    assert wrong(await verify(names, blueprint)) == {
        (ADDRESS, "dns.recursive", False, faults.DIFFERENT),
        (ADDRESS, "fcrdns", False, faults.PTR_NOT_CONFIRMED),
    }


async def test_record_missing_at_its_zone_is_not_asked_of_the_recursive_server(
    names, blueprint
) -> None:
    names.set_record("_dmarc.acme.example", "TXT")
    await verify(names, blueprint)
    tables = [table for table, name, _ in names.queries if name == "_dmarc.acme.example"]
    assert tables == ["own"]


async def test_manual_record_is_shown_as_it_must_be_set(names, blueprint) -> None:
    names.set_record("manual.example", "MX")
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.remedy == f"set manual.example MX 10 {HELO} where manual.example is hosted"


@pytest.mark.parametrize("silent", ["own", "cached"])
async def test_name_server_without_an_answer_decides_nothing(names, blueprint, silent) -> None:
    names.silent.add(silent)
    findings = await verify(names, blueprint)
    assert {(ok, code) for _, _, ok, code in wrong(findings)} == {(None, faults.LOOKUP_FAILED)}


async def test_address_without_an_ip_is_not_looked_up(names, blueprint) -> None:
    findings = await verify(names, blueprint, CloudState("sha256:x"))
    assert not any(f.check == "fcrdns" for f in findings)
    assert not any(type_ == "A" and HELO in name for _, name, type_ in names.queries)


async def test_machine_without_a_resolver_decides_nothing(blueprint, monkeypatch) -> None:
    monkeypatch.setattr("controlplane.verification.names._resolver", lambda _: None)
    findings = list(await InternetVerifier().verify_dns(blueprint, STATE))
    assert {(f.ok, f.code) for f in findings} == {(None, faults.LOOKUP_FAILED)}


async def test_lame_name_server_is_ignored(names, blueprint) -> None:
    names.lame = True
    names.own.clear()
    findings = await verify(names, blueprint)
    assert {(f.ok, f.code) for f in findings if f.check == "dns.authoritative"} == {
        (None, faults.LOOKUP_FAILED)
    }
