"""Records are judged as receivers judge them: mistakes have findings, other forms have none."""

from __future__ import annotations

import asyncio

import pytest

from controlplane.reconciler.ports import CloudState, Finding, ObservedAddress, ObservedHost
from controlplane.verification import InternetVerifier, faults
from kit.faults import Actor, Code
from tests.support.faults import any_values, assert_shows

from .conftest import KEY, STATE, assert_shown, blueprint_of, shown_by
from .mail_server import HELO
from .name_server import IP, SECOND, presented, reverse

ACME, MANUAL, ADDRESS = "domain/acme.example", "domain/manual.example", "address/mx1-1"
SPF = '"v=spf1 a:out.mx1.acme.example ~all"'
DKIM, TARGET = "pm1._domainkey.acme.example", "pm1.manual-example.dkim.example"
OTHER_KEY = "A" * 60
INCLUDES = " ".join(f"include:i{number}.example" for number in range(11))
VOID = "a:void1.example a:void2.example a:void3.example"


async def verify(names, blueprint, state: CloudState = STATE, **options) -> list[Finding]:
    address = f"{IP}:{names.port}"
    verifier = InternetVerifier(resolver=address, authoritative_port=names.port, **options)
    return list(await verifier.verify_dns(blueprint, state))


def wrong(findings: list[Finding]) -> set[tuple[str, str, bool | None, Code | None]]:
    assert_shown(findings)
    return {(f.subject, f.check, f.ok, f.code) for f in findings if not f.ok}


def remarks(findings: list[Finding]) -> set[tuple[str, Code]]:
    return {(f.subject, f.code) for f in findings if f.ok and f.code}


@pytest.mark.parametrize("trouble", ["", "long"])
async def test_right_records_have_no_finding_against_them(names, blueprint, trouble) -> None:
    names.trouble = {"own": trouble, "cached": trouble}
    findings = await verify(names, blueprint)
    assert wrong(findings) == set()
    assert remarks(findings) == set()
    checks = {f.check for f in findings}
    assert checks == {"dns.authoritative", "dns.recursive", "dns.manual", "fcrdns"}
    assert {ACME, MANUAL, ADDRESS} == {f.subject for f in findings}


FORMS = {
    "SPF in another order": ("acme.example", "TXT", ['"v=spf1 ip4:127.0.0.0/8 -all"']),
    "SPF in capitals": ("acme.example", "TXT", ['"V=SPF1  A:OUT.mx1.acme.example ?ALL "']),
    "SPF in strings": ("acme.example", "TXT", ['"v=sp" "f1 a:out.mx1." "acme.example ~all"']),
    "SPF by redirect": ("acme.example", "TXT", ['"v=spf1 redirect=b.acme.example"']),
    "SPF by macro": ("acme.example", "TXT", ['"v=spf1 exists:%{h} -all"']),
    "SPF beside other texts": ("acme.example", "TXT", [SPF, '"v=spf2.0/pra"', '"x"']),
    "DMARC of any policy": ("_dmarc.manual.example", "TXT", ['"v=DMARC1;p=reject"']),
    "DMARC with blanks": ("_dmarc.acme.example", "TXT", ['"v = DMARC1 ; p = none ; "']),
    "DMARC in another order": (
        "_dmarc.acme.example", "TXT", ['"v=DMARC1; rua=mailto:a@x.example; sp=none; p=NONE; x"'],
    ),
    "DMARC strictly aligned": (
        "_dmarc.acme.example", "TXT", ['"v=DMARC1; p=none; aspf=s; adkim=s"'],
    ),
    "DMARC without a policy but with reports": (
        "_dmarc.acme.example", "TXT", ['"v=DMARC1; rua=mailto:a@x.example"'],
    ),
    "DMARC beside other texts": ("_dmarc.acme.example", "TXT", ['"v=DMARC1; p=none"', '"x"']),
    "DKIM in another order": (DKIM, "TXT", [presented("TXT", f"p={KEY};  t=s; k = rsa")]),
    "DKIM folded": (DKIM, "TXT", [presented("TXT", f"v=DKIM1; p={KEY[:64]} \\009 {KEY[64:]};")]),
    "DKIM with all tags": (
        DKIM, "TXT", [presented("TXT", f"v=DKIM1; h=sha1:sha256; s=email; n=x; p={KEY}")],
    ),
    "MX of another preference": ("acme.example", "MX", [f"7 {HELO.upper()}."]),
    "MX with a backup": ("acme.example", "MX", [f"10 {HELO}.", "20 backup.example."]),
    "DKIM in testing": (DKIM, "TXT", [presented("TXT", f"v=DKIM1; t=y:s; p={KEY}")]),
    "MX by a name of our address": ("acme.example", "MX", ["10 out.mx1.acme.example."]),
    "PTR of two names that resolve": (reverse(), "PTR", [f"{HELO}.", "out.mx1.acme.example."]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "type_", "contents"), FORMS.values(), ids=FORMS)
async def test_other_form_of_a_right_record_is_right(
    names, blueprint, name, type_, contents
) -> None:
    names.set_record(name, type_, *contents)
    findings = await verify(names, blueprint)
    assert wrong(findings) == set()
    assert {code for _, code in remarks(findings)} <= {faults.DIFFERENT}


MISTAKES_OF: dict[tuple[str, str], dict[str, tuple[list[str], Code]]] = {
    ("acme.example", "MX"): {
        "MX missing": ([], faults.MISSING),
        "MX elsewhere": (["10 elsewhere.example."], faults.DIFFERENT),
        "MX elsewhere first": (["5 elsewhere.example.", f"10 {HELO}."], faults.DIFFERENT),
        "MX elsewhere too": (["10 elsewhere.example.", f"10 {HELO}."], faults.DIFFERENT),
        "null MX": (["0 ."], faults.DIFFERENT),
    },
    ("acme.example", "TXT"): {
        "SPF missing": (['"google-site-verification=x"'], faults.MISSING),
        "SPF of another version": (['"v=spf10 a:out.mx1.acme.example"'], faults.DIFFERENT),
        "SPF after a blank": ([f'" {SPF[1:]}'], faults.DIFFERENT),
        "SPF in quotes": ([r'"\"v=spf1 a:out.mx1.acme.example ~all\""'], faults.DIFFERENT),
        "two SPF": ([SPF, '"V=SPF1 -all"'], faults.SEVERAL),
        "SPF of others": (['"v=spf1 ip4:192.0.2.1 ~all"'], faults.SPF_REFUSES),
        "SPF that lets nobody send": (['"v=spf1 -all"'], faults.SPF_REFUSES),
        "SPF without all": (['"v=spf1 mx:none.example"'], faults.SPF_REFUSES),
        "SPF with ours after all": (['"v=spf1 -all a:out.mx1.acme.example"'], faults.SPF_REFUSES),
        "SPF with too many look-ups": ([f'"v=spf1 {INCLUDES} {SPF[8:]}'], faults.SPF_ERROR),
        "SPF with too many void look-ups": ([f'"v=spf1 {VOID} {SPF[8:]}'], faults.SPF_ERROR),
        "SPF with a mistake": (
            ['"v=spf1 a:out.mx1.acme.example ipv4:1.2.3.4 ~all"'],
            faults.SPF_ERROR,
        ),
        "SPF that includes nothing": (['"v=spf1 include:none.example ~all"'], faults.SPF_ERROR),
        "SPF in a circle": (['"v=spf1 redirect=acme.example"'], faults.SPF_ERROR),
    },
    ("_dmarc.acme.example", "TXT"): {
        "DMARC missing": ([], faults.MISSING),
        "two DMARC": (['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'], faults.SEVERAL),
        "DMARC without version": (['"p=none"'], faults.MISSING),
        "DMARC with the version last": (['"p=none; v=DMARC1"'], faults.DMARC_INVALID),
        "DMARC version in small letters": (['"v=dmarc1; p=none"'], faults.DMARC_INVALID),
        "DMARC without separator": (['"v=DMARC1 p=none"'], faults.DMARC_INVALID),
        "DMARC without policy": (['"v=DMARC1"'], faults.DMARC_INVALID),
        "DMARC of an unknown policy": (['"v=DMARC1; p=monitor"'], faults.DMARC_INVALID),
        "DMARC of an unknown policy below": (['"v=DMARC1; p=none; sp=x"'], faults.DMARC_INVALID),
        "DMARC of an unknown policy of others": (
            ['"v=DMARC1; p=none; np=x"'],
            faults.DMARC_INVALID,
        ),
        "DMARC with an empty policy below": (['"v=DMARC1; p=none; sp="'], faults.DMARC_INVALID),
        "DMARC with a policy and a comma": (['"v=DMARC1; p=none, rua"'], faults.DMARC_INVALID),
        "DMARC with reports to nobody": (['"v=DMARC1; rua=mailto:"'], faults.DMARC_INVALID),
        "DMARC in quotes": ([r'"\"v=DMARC1; p=none\""'], faults.DMARC_INVALID),
        "DMARC with a tag twice, in another case": (
            ['"v=DMARC1; P=none; p=reject"'],
            faults.DMARC_INVALID,
        ),
        "DMARC with a tag twice": (['"v=DMARC1; p=none; p=reject"'], faults.DMARC_INVALID),
    },
    ("_dmarc.manual.example", "TXT"): {
        "two DMARC of an owner": (
            ['"v=DMARC1; p=none"', '"v=DMARC1; p=none; pct=5"'],
            faults.SEVERAL,
        ),
    },
    (DKIM, "TXT"): {
        "DKIM missing": ([], faults.MISSING),
        "DKIM revoked": (['"v=DKIM1; p="'], faults.DKIM_INVALID),
        "DKIM of another key": ([f'"v=DKIM1; p={OTHER_KEY}"'], faults.DKIM_INVALID),
        "DKIM that is cut off": (
            [presented("TXT", f"v=DKIM1; p={KEY[:255]}")],
            faults.DKIM_INVALID,
        ),
        "DKIM without a key": (['"v=DKIM1; k=rsa"'], faults.DKIM_INVALID),
        "DKIM with the version last": (
            [presented("TXT", f"p={KEY}; v=DKIM1")],
            faults.DKIM_INVALID,
        ),
        "DKIM for another algorithm": (
            [presented("TXT", f"k=ed25519; p={KEY}")],
            faults.DKIM_INVALID,
        ),
        "DKIM for another hash": ([presented("TXT", f"h=sha1; p={KEY}")], faults.DKIM_INVALID),
        "DKIM for another service": ([presented("TXT", f"s=tlsrpt; p={KEY}")], faults.DKIM_INVALID),
        "DKIM with a quotation mark in it": (
            [presented("TXT", f"v=DKIM1; p={KEY[:99]}") + r'"\226\128\156"' + f'"{KEY[99:]}"'],
            faults.DKIM_INVALID,
        ),
        "DKIM that is not a tag list": (['"hello"'], faults.DKIM_INVALID),
        "two DKIM": (
            [presented("TXT", f"p={KEY}"), presented("TXT", f"p={OTHER_KEY}")],
            faults.SEVERAL,
        ),
    },
    ("out.mx1.acme.example", "A"): {
        "address elsewhere": (["192.0.2.1"], faults.DIFFERENT),
    },
    ("b.manual.example", "CNAME"): {
        "alias elsewhere": (["elsewhere.example."], faults.DIFFERENT),
    },
    ("pm2._domainkey.manual.example", "CNAME"): {
        "alias missing": ([], faults.MISSING),
    },
    ("manual.example", "MX"): {
        "manual MX missing": ([], faults.MISSING),
    },
    (reverse(), "PTR"): {
        "PTR missing": ([], faults.PTR_DIFFERENT),
        "PTR elsewhere": (["c.example."], faults.PTR_DIFFERENT),
        "PTR of two names, one without an address": (
            [f"{HELO}.", "c.example."],
            faults.PTR_NOT_CONFIRMED,
        ),
    },
}
MISTAKES = {
    label: (*record, *mistake)
    for record, mistakes in MISTAKES_OF.items()
    for label, mistake in mistakes.items()
}
GONE = {
    "address elsewhere",
    *(label for label in MISTAKES if label.startswith("DKIM")),
}
"""No receiver accepts the mail from now on; all others may be right again after a while."""


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_mistake_has_its_finding_at_its_subject(names, blueprint, mistake) -> None:
    name, type_, contents, code = MISTAKES[mistake]
    for number in range(11):
        names.set_record(f"i{number}.example", "TXT", '"v=spf1 ?all"')
    names.set_record(name, type_, *contents)
    findings = await verify(names, blueprint)
    is_manual = "manual" in name
    subject = MANUAL if is_manual else ADDRESS if type_ in ("A", "PTR") else ACME
    check = "dns.manual" if is_manual else "fcrdns" if type_ == "PTR" else "dns.authoritative"
    assert (subject, check, False, code) in wrong(findings)
    shown = next(shown_by(f) for f in findings if f.code is code)
    assert_shows(shown, code, **any_values(code))
    domains = {ACME, MANUAL} if type_ == "A" else set()
    assert {f.subject for f in findings if not f.ok} == {subject, *domains}
    assert any(f.gone for f in findings) == (mistake in GONE)


async def test_key_that_only_one_server_has_is_not_gone(names, blueprint) -> None:
    names.elsewhere[DKIM, "TXT"] = ['"v=DKIM1; p="']
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(ACME, "dns.authoritative", False, faults.DKIM_INVALID)}
    assert not any(f.gone for f in findings)
    [finding] = [f for f in findings if f.ok is False]
    assert "ns2.lab.example" in finding.message


async def test_key_that_a_silent_server_may_have_is_not_gone(names, blueprint) -> None:
    names.set_record(DKIM, "TXT")
    names.trouble[SECOND] = "refused"
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(ACME, "dns.authoritative", False, faults.MISSING)}
    assert not any(f.gone for f in findings)


async def test_key_that_a_cache_does_not_have_yet_is_not_gone(names, blueprint) -> None:
    del names.cached[DKIM, "TXT"]
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(ACME, "dns.recursive", False, faults.MISSING)}
    [finding] = [f for f in findings if f.ok is False]
    assert not finding.gone
    assert finding.remedy == "wait 1800 s: older answers are still cached"


async def test_record_cached_with_older_content_says_how_long_to_wait(names, blueprint) -> None:
    names.cached["acme.example", "MX"] = ["10 elsewhere.example."]
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(ACME, "dns.recursive", False, faults.DIFFERENT)}
    assert "wait 60 s" in next(f.remedy for f in findings if not f.ok)


async def test_record_that_we_write_asks_nobody_to_act(names, blueprint) -> None:
    names.set_record("acme.example", "MX")
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.acts is Actor.NOBODY


async def test_mx_by_addresses_that_take_no_mail_is_wrong(names) -> None:
    ips = {"mx1-1": IP, "mx1-2": SECOND}
    names.serve(blueprint := blueprint_of(mailboxes=True, size=2), ips)
    addresses = tuple(
        ObservedAddress(address.name, ips[address.name], address.helo)
        for address in blueprint.hosts[0].addresses
    )
    state = CloudState("sha256:x", (ObservedHost("mx1", "acme-mx1", 1, addresses),))
    assert wrong(await verify(names, blueprint, state)) == set()
    for exchange in ("mx1-2.acme.example.", "out.mx1.acme.example."):
        names.set_record("acme.example", "MX", f"10 {exchange}")
        assert wrong(await verify(names, blueprint, state)) == {
            (ACME, "dns.authoritative", False, faults.DIFFERENT)
        }


async def test_policy_that_is_only_inherited_is_a_remark_where_we_write_it(names) -> None:
    below = blueprint_of(mailboxes=False)
    renamed = tuple(
        record.model_copy(update={"name": "_dmarc.go.acme.example"})
        if record.name == "_dmarc.acme.example"
        else record
        for record in below.records
    )
    findings = await verify(names, below.model_copy(update={"records": renamed}))
    assert wrong(findings) == set()
    assert remarks(findings) == {(ACME, faults.MISSING)}


async def test_foreign_exchange_behind_ours_is_a_remark(names, blueprint) -> None:
    names.set_record("acme.example", "MX", f"10 {HELO}.", "20 backup.example.")
    assert wrong(findings := await verify(names, blueprint)) == set()
    assert remarks(findings) == {(ACME, faults.DIFFERENT)}
    assert any("backup.example" in finding.message for finding in findings)


async def test_further_address_is_a_remark(names, blueprint) -> None:
    names.set_record("out.mx1.acme.example", "A", IP, "192.0.2.1")
    assert wrong(findings := await verify(names, blueprint)) == set()
    assert remarks(findings) == {(ADDRESS, faults.DIFFERENT)}


async def test_policy_that_the_document_does_not_declare_is_a_remark(names, blueprint) -> None:
    names.set_record("_dmarc.acme.example", "TXT", '"v=DMARC1; p=reject"')
    assert wrong(findings := await verify(names, blueprint)) == set()
    assert remarks(findings) == {(ACME, faults.DIFFERENT)}


async def test_reverse_name_of_another_address_is_not_confirmed(names, blueprint) -> None:
    names.cached[HELO, "A"] = ["192.0.2.9"]
    assert wrong(await verify(names, blueprint)) >= {
        (ADDRESS, "dns.recursive", False, faults.DIFFERENT),
        (ADDRESS, "fcrdns", False, faults.PTR_NOT_CONFIRMED),
    }


async def test_record_missing_at_its_zone_is_not_asked_of_the_recursive_server(
    names, blueprint
) -> None:
    names.set_record("_dmarc.acme.example", "TXT")
    await verify(names, blueprint)
    tables = {table for table, name, _ in names.queries if name == "_dmarc.acme.example"}
    assert tables == {"own"}


async def test_address_without_an_ip_is_not_looked_up(names, blueprint) -> None:
    findings = await verify(names, blueprint, CloudState("sha256:x"))
    assert not any(f.check == "fcrdns" for f in findings)
    assert not any(type_ == "A" and HELO in name for _, name, type_ in names.queries)


async def test_verifications_at_the_same_time_do_not_disturb_each_other(names, blueprint) -> None:
    several = await asyncio.gather(*(verify(names, blueprint) for _ in range(4)))
    assert [wrong(findings) for findings in several] == [set()] * 4
