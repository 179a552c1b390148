"""Zones that their owner maintains: what is valid there, and which changes are requested."""

from __future__ import annotations

import pytest

from controlplane.verification import faults
from controlplane.verification.spf_record import merged
from kit.faults import Actor
from tests.support.faults import any_values, assert_shows

from .conftest import blueprint_of, shown_by
from .mail_server import HELO
from .name_server import IP, NAMES, SECOND
from .test_names import MANUAL, remarks, verify, wrong


@pytest.fixture
def below(names):
    """A tenant with domain `go.manual.example`, a name in its owner's zone."""
    below = blueprint_of(mailboxes=False, manual="go.manual.example")
    names.serve(below, {"mx1-1": IP})
    names.set_record("go.manual.example", "NS")
    return below


@pytest.mark.parametrize("own", [[], ['"v=dmarc1; p=none"'], ['"v=spf1 -all"']])
async def test_policy_of_the_registered_domain_counts(names, below, own) -> None:
    names.set_record("_dmarc.go.manual.example", "TXT", *own)
    assert wrong(await verify(names, below)) == set()
    names.set_record("_dmarc.manual.example", "TXT", '"v=DMARC1; p=none"', '"v=DMARC1; p=reject"')
    [several] = [f for f in await verify(names, below) if not f.ok]
    assert several.code is faults.SEVERAL
    assert several.remedy == "leave one of them at _dmarc.manual.example"
    names.set_record("_dmarc.manual.example", "TXT")
    invalid = faults.DMARC_INVALID if "dmarc" in "".join(own) else faults.MISSING
    assert {code for *_, code in wrong(await verify(names, below))} == {invalid}


async def test_policy_of_a_name_between_counts_for_no_receiver_by_rfc_7489(names) -> None:
    below = blueprint_of(mailboxes=False, manual="a.go.manual.example")
    names.serve(below, {"mx1-1": IP})
    for name in ("_dmarc.manual.example", "_dmarc.a.go.manual.example"):
        names.set_record(name, "TXT")
    names.set_record("_dmarc.go.manual.example", "TXT", '"v=DMARC1; p=none"')
    assert {code for *_, code in wrong(await verify(names, below))} == {faults.MISSING}


async def test_policy_of_another_domain_by_alias_counts(names, blueprint) -> None:
    names.set_record("_dmarc.manual.example", "TXT")
    names.set_record("_dmarc.manual.example", "CNAME", "policy.elsewhere.example.")
    names.set_record("policy.elsewhere.example", "TXT", '"v=DMARC1; p=quarantine"')
    assert wrong(await verify(names, blueprint)) == set()
    names.set_record("policy.elsewhere.example", "TXT")
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.code is faults.MISSING
    assert finding.remedy.startswith("replace the CNAME of _dmarc.manual.example, beside which")


async def test_names_that_the_owner_delegated_to_others_are_asked_there(names, blueprint) -> None:
    for zone in ("_dmarc.manual.example", "_domainkey.manual.example"):
        names.set_record(zone, "NS", f"{NAMES[SECOND]}.")
    names.set_record("manual.example", "NS", f"{NAMES[IP]}.")
    assert wrong(findings := await verify(names, blueprint)) == set()
    assert remarks(findings) == set()
    several = ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"']
    names.elsewhere["_dmarc.manual.example", "TXT"] = several
    assert wrong(await verify(names, blueprint)) == {(MANUAL, "dns.manual", False, faults.SEVERAL)}
    names.trouble[SECOND] = "refused"
    assert (MANUAL, "dns.manual", None, faults.REFUSED) in wrong(await verify(names, blueprint))


async def test_server_that_refers_to_itself_is_lame(names, blueprint) -> None:
    names.delegate("_dmarc.manual.example")
    names.unserved.add("_dmarc.manual.example")
    findings = await verify(names, blueprint)
    assert wrong(findings) == {(MANUAL, "dns.manual", None, faults.LAME)}


async def test_domain_that_is_an_alias_to_another_zone_is_in_its_owners_zone(names, below) -> None:
    names.set_record("website.example", "NS", "ns9.lab.example.")
    names.set_record("go.manual.example", "CNAME", "website.example.")
    assert wrong(findings := await verify(names, below)) == set()
    assert remarks(findings) == set()


async def test_domain_that_is_an_alias_cannot_have_an_mx_record_beside_it(names) -> None:
    below = blueprint_of(mailboxes=True, manual="go.manual.example")
    names.serve(below, {"mx1-1": IP})
    for type_ in ("NS", "MX", "TXT"):
        names.set_record("go.manual.example", type_)
    names.set_record("go.manual.example", "CNAME", "website.example.")
    names.set_record("website.example", "MX", "10 mail.website.example.")
    found = [f for f in await verify(names, below) if not f.ok]
    assert {f.code for f in found} == {faults.DIFFERENT, faults.MISSING}
    for finding in found:
        assert finding.remedy.startswith("replace the CNAME of go.manual.example, beside which")


async def test_alias_that_a_proxy_hides_is_named(names, blueprint) -> None:
    names.set_record("pm2._domainkey.manual.example", "CNAME")
    names.set_record("pm2._domainkey.manual.example", "A", "192.0.2.7")
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.code is faults.HIDDEN
    assert not finding.gone
    assert "turn off its proxy" in finding.remedy
    assert_shows(shown_by(finding), faults.HIDDEN, **any_values(faults.HIDDEN))


async def test_alias_may_lead_over_others_and_copies_are_a_remark(names, blueprint) -> None:
    [target] = names.own["pm1._domainkey.manual.example", "CNAME"]
    names.set_record("pm1._domainkey.manual.example", "CNAME", "keys.manual.example.")
    names.set_record("keys.manual.example", "CNAME", target)
    assert wrong(findings := await verify(names, blueprint)) == set()
    assert remarks(findings) == set()
    names.set_record("pm1._domainkey.manual.example", "CNAME")
    copy = names.own[target.rstrip("."), "TXT"]
    names.set_record("pm1._domainkey.manual.example", "TXT", *copy)
    assert wrong(findings := await verify(names, blueprint)) == set()
    assert remarks(findings) == {(MANUAL, faults.MISSING)}


async def test_manual_record_is_shown_as_it_must_be_set(names, blueprint) -> None:
    names.set_record("manual.example", "MX")
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.acts is Actor.USER
    mx = "10 mx.manual.example.customers.penguinmails.example"
    assert finding.remedy == (
        f"set manual.example MX {mx} where manual.example is hosted, or remove its mailboxes from "
        "the document: their mail must come here; "
        "`penguin describe domain/manual.example` shows all records to set"
    )


async def test_owner_is_never_told_to_add_our_mx_beside_his(names, blueprint) -> None:
    for own in (["1 mx.elsewhere.example."], ["10 mx.elsewhere.example.", f"10 {HELO}."]):
        names.set_record("manual.example", "MX", *own)
        (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
        assert finding.remedy == (
            "replace the MX records of manual.example by 10 mx.manual.example.customers."
            "penguinmails.example, or remove its mailboxes from the document: their mail must "
            "come here; `penguin describe domain/manual.example` shows all records to set"
        )


@pytest.mark.parametrize("policy", ["p=none", "p=quarantine; pct=10", "p=reject; sp=reject"])
async def test_owner_without_mailboxes_here_keeps_his_mail_and_policy(names, policy) -> None:
    names.set_record("manual.example", "MX", "1 mx.elsewhere.example.")
    names.set_record("manual.example", "TXT", '"v=spf1 include:elsewhere.example -all"')
    names.set_record("_dmarc.manual.example", "TXT", f'"v=DMARC1; {policy}"')
    for label in ("u", "mu1._domainkey", "mu2._domainkey"):
        names.set_record(f"{label}.manual.example", "CNAME")
    assert wrong(findings := await verify(names, blueprint_of(mailboxes=False))) == set()
    assert remarks(findings) == set()
    names.set_record("pm2._domainkey.manual.example", "CNAME")
    (finding,) = [f for f in await verify(names, blueprint_of(mailboxes=False)) if f.ok is False]
    assert (finding.subject, finding.code) == (MANUAL, faults.MISSING)


async def test_owner_with_an_invalid_policy_is_not_told_to_replace_it(names, blueprint) -> None:
    names.set_record("_dmarc.manual.example", "TXT", '"v=DMARC1; p=rejct"')
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.code is faults.DMARC_INVALID
    assert finding.remedy.startswith("correct it")


async def test_owner_is_shown_his_spf_record_with_ours_added(names, blueprint) -> None:
    names.set_record("manual.example", "TXT", '"v=spf1 include:i0.example -all"')
    names.set_record("i0.example", "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"')
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    merged = "v=spf1 a:out.acme.penguinmails.example include:i0.example -all"
    assert finding.remedy == f"change manual.example TXT to {merged}"


CORRECTED = {
    ("manual.example", "TXT"): ['"v=spf1 -all"'],
    ("_dmarc.manual.example", "TXT"): ['"v=DMARC1; p=x"'],
    ("manual.example", "MX"): ["10 mx.elsewhere.example."],
}


@pytest.mark.parametrize("record", CORRECTED, ids=" ".join)
async def test_owner_is_not_told_to_change_again_what_only_a_cache_still_has(
    names, blueprint, record
) -> None:
    names.cached[record] = CORRECTED[record]
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.remedy == "wait 60 s: older answers are still cached"


async def test_owner_whose_spf_record_has_no_look_up_left_is_told_to_make_room(
    names, blueprint
) -> None:
    for number in range(10):
        names.set_record(f"i{number}.example", "TXT", '"v=spf1 ?all"')
    includes = " ".join(f"include:i{number}.example" for number in range(10))
    names.set_record("manual.example", "TXT", f'"v=spf1 {includes} -all"')
    (finding,) = [f for f in await verify(names, blueprint) if not f.ok]
    assert finding.remedy.endswith(
        ", and correct it or remove what is not needed: it takes more than 10 look-ups, the last "
        "for include:i9.example"
    )


MERGED = {
    "redirect": (["v=spf1 redirect=a.example"], "redirect=a.example"),
    "redirect after another record": (
        ["v=spf1 include:b.example -all", "v=spf1 mx redirect=a.example"],
        "include:b.example mx include:a.example -all",
    ),
    "two redirects": (
        ["v=spf1 redirect=a.example", "v=spf1 redirect=b.example"],
        "include:a.example include:b.example ~all",
    ),
    "two ends": (["v=spf1 mx ?all", "v=spf1 a mx -all"], "mx a ?all"),
    "terms after all": (["v=spf1 mx -all ip4:192.0.2.1 exp=x.example"], "mx exp=x.example -all"),
    "redirect that all overrides": (["v=spf1 -all redirect=a.example"], "-all"),
    "ours in the wrong place": (["V=SPF1 -all a:out.example"], "-all"),
    "none": ([], "~all"),
}


@pytest.mark.parametrize(("own", "expected"), MERGED.values(), ids=MERGED)
def test_merged_record_keeps_whom_the_owner_lets_send(own: list[str], expected: str) -> None:
    assert merged(own, "v=spf1 a:out.example ~all") == f"v=spf1 a:out.example {expected}"
