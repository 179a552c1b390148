"""Mistakes in a tenant's file are reported with position and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprint.faults import INVALID_VALUE, PLAN_LIMIT
from blueprint.loading import check_limits, load
from blueprint.platform import Platform
from blueprint.tenant import Tenant
from kit.faults import Fault, Violation
from tests.support.installation import INSTALLATION, PLATFORM

ACME = (Path(__file__).parents[3] / "tenants" / "acme.yaml").read_text()


def mistakes_of(text: str) -> tuple[Violation, ...]:
    with pytest.raises(Fault) as caught:
        load(text, file="acme.yaml", platform=PLATFORM)
    return caught.value.violations


def test_example_is_valid() -> None:
    (source,) = load(ACME, file="acme.yaml", platform=PLATFORM)
    assert source.name == "acme"


def test_file_with_several_documents_is_loaded() -> None:
    other = ACME.replace("name: acme}", "name: other}")
    names = [source.name for source in load(f"{ACME}---\n{other}", file="x", platform=PLATFORM)]
    assert names == ["acme", "other"]


def test_mistakes_are_all_reported_with_their_lines() -> None:
    text = (
        ACME.replace("size: business", "sice: business")
        .replace("daily_cap: 50", "daily_cap: fifty")
        .replace("  region: us-west\n", "")
    )
    by_code = {mistake.code.name: mistake for mistake in mistakes_of(text)}
    assert set(by_code) == {
        "document.missing_key",
        "document.unknown_key",
        "document.invalid_value",
    }
    unknown = by_code["document.unknown_key"]
    line = next(n for n, text_ in enumerate(text.splitlines(), 1) if "sice" in text_)
    assert (unknown.line, unknown.path, unknown.suggestion) == (
        line,
        "spec.hosts[0].sice",
        "size",
    )
    assert by_code["document.invalid_value"].path == "spec.mailboxes[0].daily_cap"
    assert by_code["document.missing_key"].path == "spec.region"


def test_long_key_is_not_repeated_in_full() -> None:
    key = "k" * 100_000
    [unknown] = mistakes_of(ACME.replace("  region:", f"  ? {key}\n  : 1\n  region:"))
    twice = mistakes_of(ACME.replace("  region:", f"  ? {key}\n  : 1\n" * 2 + "  region:"))
    for mistake in (unknown, *twice):
        assert "kkk…" in str(mistake)
        assert len(str(mistake)) < 1000


@pytest.mark.parametrize(
    ("old", "new", "code", "path"),
    [
        ("us-west", "mars", "tenant.unknown_region", "spec.region"),
        ("zone: acme.example", "zone: x.example", "tenant.foreign_zone", "spec.hosts[0].zone"),
        ("sales@acme", "sales@other", "tenant.foreign_mailbox", "spec.mailboxes[0].address"),
        (
            "name: acme-mail.example",
            "name: acme.example",
            "tenant.duplicate",
            "spec.domains[1].name",
        ),
        ("name: mx1", "name: out", "tenant.reserved_name", "spec.hosts[0].name"),
        ("name: mx1", "name: u", "tenant.reserved_name", "spec.hosts[0].name"),
        ("    postal_address:", "    #", "tenant.no_postal_address", "spec.sending"),
        ("warmup: standard", "footer: no link", "document.invalid_value", "spec.sending.footer"),
        ("name: acme}", "name: customers}", "tenant.reserved_name", "metadata.name"),
        ("  plan: business", "  plan: gold", "document.invalid_value", "spec.plan"),
        (
            "  domains:",
            "    - {name: mx1-2, zone: acme.example}\n  domains:",
            "tenant.name_collision",
            "spec.hosts[1].name",
        ),
        (
            "acme-mail.example",
            "b.acme.example",
            "tenant.name_collision",
            "spec.domains[1].name",
        ),
        (
            "acme-mail.example",
            "penguinmails.example",
            "tenant.platform_domain",
            "spec.domains[1].name",
        ),
    ],
)
def test_violated_rule_names_the_value_to_change(old: str, new: str, code: str, path: str) -> None:
    assert old in ACME
    (mistake,) = mistakes_of(ACME.replace(old, new, 1))
    assert (mistake.code.name, mistake.path) == (code, path)
    assert mistake.line
    assert mistake.remedy


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ACME-Mail.example", "acme-mail.example"),
        ("acme-mail.example.", "acme-mail.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("straße.example", "xn--strae-oqa.example"),
    ],
)
def test_domain_in_another_notation_is_suggested_in_the_right_one(written: str, meant: str) -> None:
    (mistake,) = mistakes_of(ACME.replace("acme-mail.example", written))
    assert mistake.suggestion == meant
    assert mistake.remedy.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize("written", ["☃.example", "a..b.example", "-.example", "localhost"])
def test_suggestion_is_never_another_domain(written: str) -> None:
    (mistake,) = mistakes_of(ACME.replace("acme-mail.example", f'"{written}"'))
    assert mistake.suggestion is None
    assert "domain name in lower case" in mistake.remedy


def test_name_that_makes_derived_ones_too_long_is_refused() -> None:
    text = ACME.replace("acme-mail.example", f"{'.'.join(['a' * 40] * 4)}.{'b' * 28}.example")
    with pytest.raises(Fault) as caught:
        load(
            text,
            file="x",
            platform=Platform(
                installation=INSTALLATION, zone="mail.of.a.platform.with.a.long.name.example"
            ),
        )
    (mistake,) = caught.value.violations
    assert (mistake.code.name, mistake.path) == ("tenant.name_too_long", "spec.domains[1].name")


def test_longest_names_are_valid() -> None:
    text = ACME.replace("name: mx1", f"name: {'m' * 30}").replace("addresses: 3", "addresses: 32")
    (source,) = load(text, file="x", platform=PLATFORM)
    assert len(source.tenant.spec.hosts[0].name) == 30
    longest = f"{'.'.join(['a' * 40] * 4)}.{'b' * 28}.example"
    (source,) = load(ACME.replace("acme-mail.example", longest), file="x", platform=PLATFORM)
    assert len(source.tenant.spec.domains[1].name) == 200


def with_domains(plan: str, *names: str) -> Tenant:
    lines = "".join(f"    - {{name: {name}}}\n" for name in ("acme.example", *names))
    head, _, tail = ACME.replace("plan: business", f"plan: {plan}").partition("  domains:\n")
    text = f"{head}  domains:\n{lines}  mailboxes:{tail.partition('  mailboxes:')[2]}"
    (source,) = load(text, file="x", platform=PLATFORM)
    return source.tenant


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("spec.domains[1].name", "acme.yaml:7:33 spec.domains[1].name"),
        ("spec.domains[1].dmarc", "acme.yaml:7:32 spec.domains[1].dmarc"),
        ("spec.sending", "acme.yaml:3:1 spec.sending"),
        ("", "acme.yaml:1:1"),
    ],
)
def test_violation_of_another_check_gets_the_line_of_its_value(path: str, location: str) -> None:
    text = """\
apiVersion: penguinmails.dev/v1
kind: Tenant
spec:
  plan: business
  region: us-west
  hosts: [{name: mx1}]
  domains: [{name: a.example}, {name: b.example}]
metadata: {name: acme}
"""
    (source,) = load(text, file="acme.yaml", platform=PLATFORM)
    violation = INVALID_VALUE.violation(path=path, key="x", value="y", remedy="z")
    assert source.located(violation).where == location


SIX = with_domains("starter", *(f"d{n}.example" for n in range(5)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, with_domains("starter", *(f"d{n}.example" for n in range(4)))),
        (None, with_domains("business", *(f"d{n}.example" for n in range(5)))),
        (SIX, SIX),
        (with_domains("starter", *(f"d{n}.example" for n in range(6))), SIX),
    ],
    ids=["within", "unlimited", "unchanged", "shrinking"],
)
def test_document_within_its_plan_or_what_it_has_passes(
    before: Tenant | None, after: Tenant
) -> None:
    check_limits(after, before)


@pytest.mark.parametrize(
    "before",
    [
        None,
        with_domains("business", *(f"d{n}.example" for n in range(5))),
        with_domains("starter", *(f"other{n}.example" for n in range(5))),
        with_domains("starter", *(f"d{n}.example" for n in range(4))),
    ],
    ids=["new", "smaller plan", "other domains", "growing"],
)
def test_document_that_adds_domains_beyond_its_plan_is_refused(before: Tenant | None) -> None:
    with pytest.raises(Fault) as raised:
        check_limits(SIX, before)
    (violation,) = raised.value.violations
    assert (violation.code, violation.path) == (PLAN_LIMIT, "spec.domains")


@given(st.text(max_size=200))
def test_any_text_loads_or_is_a_fault(text: str) -> None:
    assert mistakes_of(text)
