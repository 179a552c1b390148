"""What the owner of a manual zone is asked to set, once."""

from __future__ import annotations

from blueprint.document import Blueprint, Dkim, PublicKeys, Record
from blueprint.instructions import instructions
from blueprint.loading import load
from blueprint.render import render
from tests.support.installation import PLATFORM
from tests.support.tenants import TEXT

OURS = "customers.penguinmails.example"
ALWAYS = {
    ("b.acme.example", "CNAME", True),
    ("pm1._domainkey.acme.example", "CNAME", True),
    ("pm2._domainkey.acme.example", "CNAME", True),
    ("_dmarc.acme.example", "TXT", True),
    ("mu1._domainkey.acme.example", "CNAME", False),
    ("mu2._domainkey.acme.example", "CNAME", False),
    ("u.acme.example", "CNAME", False),
}


def blueprint(
    hosts: str = "{name: mx1}", mailboxes: str = "", selector: str = "pm1", more: str = ""
) -> Blueprint:
    domains = f"{{name: acme.example, dns: manual}}, {{name: other.example}}{more}"
    text = TEXT % (hosts, domains) + f"  mailboxes: [{mailboxes}]\n"
    [source] = load(text, file="x", platform=PLATFORM)
    dkim = {
        domain.name: Dkim(selector=selector, public_key="MIIB")
        for domain in source.tenant.spec.domains
    }
    keys = PublicKeys(ssh="ssh-ed25519 AAAA", dkim=dkim)
    return render(source.tenant, platform=PLATFORM, keys=keys, generation=1)


def asked(of: Blueprint) -> set[tuple[str, str, bool]]:
    return {(one.name, one.type.value, one.checked) for one in instructions(of, "acme.example")}


def records_at(of: Blueprint, name: str) -> list[Record]:
    return [record for record in of.records if record.name == name]


def test_list_has_all_names_at_once_and_only_these() -> None:
    assert asked(blueprint()) == ALWAYS
    assert asked(blueprint(mailboxes="{address: sales@other.example}")) == ALWAYS
    assert instructions(blueprint(), "other.example") == []


def test_mail_of_the_domain_is_asked_for_only_where_its_mailboxes_are_here() -> None:
    of = blueprint(mailboxes="{address: sales@acme.example}")
    assert asked(of) == ALWAYS | {("acme.example", "MX", True), ("acme.example", "TXT", True)}
    notes = {(one.name, one.type.value): one.note for one in instructions(of, "acme.example")}
    term = "a:out.acme.penguinmails.example"
    assert f"else write {term} after the v=spf1" in notes["acme.example", "TXT"]
    assert "in place of all others" in notes["acme.example", "MX"]
    assert "whatever its policy" in notes["_dmarc.acme.example", "TXT"]
    assert notes["u.acme.example", "CNAME"] == "for later use; not checked yet"
    assert "in place of all other records" in notes["b.acme.example", "CNAME"]


def test_policy_above_is_not_lowered_by_a_record_below() -> None:
    of = blueprint(more=", {name: go.acme.co.uk, dns: manual}")
    [note] = [i.note for i in instructions(of, "go.acme.co.uk") if i.name.startswith("_dmarc.")]
    assert "neither here nor at _dmarc.acme.co.uk" in note
    [own] = [i.note for i in instructions(of, "acme.example") if i.name.startswith("_dmarc.")]
    assert "neither" not in own


def test_every_target_has_a_record_of_ours_that_is_true_now_and_later() -> None:
    of = blueprint(mailboxes="{address: sales@acme.example}")
    contents = {}
    for one in instructions(of, "acme.example"):
        if one.type == "CNAME":
            found = records_at(of, one.value)
            assert found, one.value
            assert {record.zone for record in found} == {"penguinmails.example"}
            contents[one.name.partition(".")[0]] = {record.content for record in found}
    assert contents["pm1"] == {"v=DKIM1; k=rsa; p=MIIB"}
    assert contents["pm2"] == contents["mu1"] == contents["mu2"] == {"v=DKIM1; p="}
    assert contents["u"] == {"v=spf1 -all"}
    assert contents["b"] == {
        "mx1.acme.penguinmails.example",
        "v=spf1 a:out.mx1.acme.penguinmails.example -all",
    }
    senders = records_at(of, "out.acme.penguinmails.example")
    assert [record.address for record in senders] == ["mx1-1"]
    [exchange] = records_at(of, f"mx.acme.example.{OURS}")
    assert exchange.address == "mx1-1"


def test_owner_changes_nothing_when_hosts_keys_or_domains_change() -> None:
    box = "{address: sales@acme.example}"
    first = instructions(blueprint(mailboxes=box), "acme.example")
    for of in (
        blueprint("{name: mx1, addresses: 3}", box),
        blueprint("{name: aa}, {name: mx1}", box),
        blueprint("{name: mx9, zone: other.example}", box),
        blueprint(mailboxes=box, selector="pm2"),
        blueprint(mailboxes=box, more=", {name: third.example}"),
    ):
        assert instructions(of, "acme.example") == first


def test_rotated_key_leaves_the_first_selector_without_a_key() -> None:
    of = blueprint(selector="pm2")
    keys = {
        selector: [r.content for r in records_at(of, f"{selector}._domainkey.acme.example.{OURS}")]
        for selector in ("pm1", "pm2")
    }
    assert keys == {"pm1": ["v=DKIM1; p="], "pm2": ["v=DKIM1; k=rsa; p=MIIB"]}
