"""Mailboxes of hosts with Mailu: quotas, forwards, and what fits on a disk."""

from __future__ import annotations

import pytest

from blueprint.document import Blueprint, Dkim, RecordType, Rule
from blueprint.faults import INVALID_VALUE, NO_MAIL_FOR_WEBMAIL, QUOTAS_TOO_LARGE
from blueprint.loading import load, settled
from blueprint.render import GB, bytes_of, render
from blueprint.tenant import Dns, MailboxServer
from controlplane.mailu.of_blueprint import mail_of
from kit.faults import Fault
from tests.support.faults import assert_shows
from tests.support.installation import PLATFORM
from tests.support.tenants import rendered, tenant

ACME = tenant("mx1@acme.example", domains="acme.example")
UNNAMED = tenant("mx1@acme.example", "mx2@acme.example", domains="acme.example").replace(
    "mail: none, ", ""
)
"""Two hosts that name no mail server."""


def document(*mailboxes: str, mail: str = "mailu") -> str:
    """Return a document with these mailboxes, each as YAML."""
    text = ACME.replace("mail: none", f"mail: {mail}")
    return text + f"  mailboxes: [{', '.join(mailboxes)}]\n"


def violations(text: str) -> list[dict[str, str]]:
    """Return what is wrong with a document, as the API shows it."""
    try:
        load(text, file="tenant.yaml", platform=PLATFORM)
    except Fault as fault:
        return [
            {"code": each.code.name, "detail": each.message, "remedy": each.remedy}
            for each in fault.violations
        ]
    return []


@pytest.mark.parametrize(
    ("quota", "size"), [("500MB", 500_000_000), ("1GB", GB), ("20GB", 20 * GB)]
)
def test_a_quota_is_a_number_of_bytes(quota: str, size: int) -> None:
    assert bytes_of(quota) == size
    [box] = rendered(document(f"{{address: ann@acme.example, quota: {quota}}}")).mailboxes
    assert box.quota_bytes == size


def test_a_mailbox_has_one_gigabyte_and_no_forward_by_default() -> None:
    blueprint = rendered(document("{address: ann@acme.example}"))
    [box] = blueprint.mailboxes
    assert (box.quota_bytes, box.forward, box.keep) == (GB, (), True)
    assert blueprint.hosts[0].mail is MailboxServer.MAILU
    assert rendered(ACME).hosts[0].mail is MailboxServer.NONE


def test_a_host_that_gets_the_mail_of_a_mailbox_has_mailu_by_default() -> None:
    boxes = "  mailboxes: [{address: ann@acme.example}]\n"
    first, second = rendered(UNNAMED + boxes).hosts
    assert (first.mail, second.mail) == (MailboxServer.MAILU, MailboxServer.NONE)
    assert {host.mail for host in rendered(UNNAMED).hosts} == {MailboxServer.NONE}


def test_a_host_that_is_known_keeps_its_mail_server_by_default() -> None:
    [source] = load(
        UNNAMED + "  mailboxes: [{address: ann@acme.example}]\n",
        file="tenant.yaml",
        platform=PLATFORM,
    )
    known = {"mx1": MailboxServer.NONE, "mx2": MailboxServer.MAILU}
    hosts = settled(source.tenant, PLATFORM, known).spec.hosts
    assert {host.name: host.mail for host in hosts} == known


def test_quotas_count_when_it_is_known_what_the_host_has() -> None:
    [source] = load(
        UNNAMED + "  mailboxes: [{address: ann@acme.example, quota: 9999GB}]\n",
        file="tenant.yaml",
        platform=PLATFORM,
    )
    settled(source.tenant, PLATFORM, {"mx1": MailboxServer.NONE})
    with pytest.raises(Fault) as caught:
        settled(source.tenant, PLATFORM)
    [violation] = caught.value.violations
    assert violation.code is QUOTAS_TOO_LARGE


def test_webmail_is_for_hosts_with_mailboxes_to_log_in_to() -> None:
    with_webmail = document(mail="mailu, webmail: true")
    assert violations(with_webmail) == []
    assert rendered(with_webmail).hosts[0].webmail
    assert not rendered(document()).hosts[0].webmail
    [shown] = violations(document(mail="none, webmail: true"))
    assert_shows(shown, NO_MAIL_FOR_WEBMAIL, host="mx1")


def test_a_forward_leads_anywhere() -> None:
    forward = "{destinations: [Ann@Elsewhere.example], keep: false}"
    [box] = rendered(document(f"{{address: ann@acme.example, forward: {forward}}}")).mailboxes
    assert (box.forward, box.keep) == (("Ann@elsewhere.example",), False)


@pytest.mark.parametrize("quota", ["1 GB", "0GB", "1TB", "1000000MB", "-1GB"])
def test_another_form_of_a_quota_is_refused(quota: str) -> None:
    [shown] = violations(document(f"{{address: ann@acme.example, quota: {quota}}}"))
    assert shown["code"] == INVALID_VALUE.name


def test_mailboxes_fit_on_the_disk_of_their_host() -> None:
    disk = rendered(ACME).hosts[0].disk_gb
    limit = disk * 60 // 100
    fitting = f"{{address: ann@acme.example, quota: {limit}GB}}"
    assert violations(document(fitting)) == []
    [shown] = violations(document(fitting, "{address: bob@acme.example, quota: 1MB}"))
    values = {"host": "mx1", "sum": limit + 1, "disk": disk, "limit": limit}
    assert_shows(shown, QUOTAS_TOO_LARGE, **values)
    assert violations(document(fitting, "{address: b@acme.example}", mail="none")) == []


def with_people_key(text: str) -> Blueprint:
    """Render a document after Mailu's key was made."""
    [source] = load(text, file="tenant.yaml", platform=PLATFORM)
    keys = rendered(text).keys
    assert keys is not None
    people = {"acme.example": Dkim(selector="mu1", public_key="TVUx")}
    keys = keys.model_copy(update={"people": people})
    return render(source.tenant, platform=PLATFORM, keys=keys, generation=1)


def test_the_key_of_peoples_mail_is_published_beside_that_of_bulk_mail() -> None:
    blueprint = with_people_key(document("{address: ann@acme.example}"))
    shown = {each.name: each.content for each in blueprint.records if "_domainkey" in each.name}
    assert shown["mu1._domainkey.acme.example"] == "v=DKIM1; k=rsa; p=TVUx"
    assert set(shown) == {"mu1._domainkey.acme.example", "pm202611._domainkey.acme.example"}
    before = {each.key for each in rendered(document("{address: ann@acme.example}")).records}
    assert {each.key for each in blueprint.records} - before == {"acme.example/DKIM/mu1"}


def test_a_manual_zone_waits_for_the_names_of_both_selectors() -> None:
    text = document("{address: ann@acme.example}").replace(
        "{name: acme.example}", "{name: acme.example, dns: manual}"
    )
    text = text.replace(", zone: acme.example", "")
    rules = {
        each.name: each.rule
        for each in with_people_key(text).records
        if each.provider is Dns.MANUAL and each.name.startswith("mu")
    }
    assert set(rules.values()) == {Rule.EXACT}
    content = {each.name: str(each.content) for each in with_people_key(text).records}
    assert content["mu1._domainkey.acme.example.customers.penguinmails.example"].endswith("TVUx")
    assert content["mu2._domainkey.acme.example.customers.penguinmails.example"].endswith("p=")


def test_a_host_is_declared_what_its_blueprint_says() -> None:
    boxes = "{address: ann@acme.example, quota: 2GB, aliases: [a@acme.example]}"
    blueprint = with_people_key(document(boxes))
    mail = mail_of(blueprint, blueprint.hosts[0])
    assert mail.tenant == "acme"
    [domain] = mail.domains
    assert (domain.name, domain.public_key, domain.selector) == ("acme.example", "TVUx", "mu1")
    [box] = mail.mailboxes
    assert (box.address, box.quota_bytes, box.aliases) == (
        "ann@acme.example",
        2 * GB,
        ("a@acme.example",),
    )
    assert mail.return_paths == ("b.acme.example", "mx1.acme.example")


def test_a_domain_without_its_key_is_not_declared_yet() -> None:
    blueprint = rendered(document("{address: ann@acme.example}"))
    mail = mail_of(blueprint, blueprint.hosts[0])
    assert (mail.domains, mail.mailboxes) == ((), ())
    assert mail.return_paths == ("b.acme.example", "mx1.acme.example")


def test_ports_of_people_are_open_on_a_host_with_mailu_only() -> None:
    people = {"80/tcp", "443/tcp", "465/tcp", "993/tcp"}
    with_mailu, without = (
        set(rendered(document("{address: ann@acme.example}", mail=mail)).hosts[0].firewall.inbound)
        for mail in ("mailu", "none")
    )
    assert with_mailu - without == people
    assert not without & people


def test_clients_find_imap_and_submission_with_tls_and_nothing_else() -> None:
    records = rendered(document("{address: ann@acme.example}")).records
    found = {str(each.name): each for each in records if each.type is RecordType.SRV}
    host = "mx1.acme.example"
    assert {name: each.content for name, each in found.items()} == {
        "_imaps._tcp.acme.example": f"0 1 993 {host}",
        "_submissions._tcp.acme.example": f"0 1 465 {host}",
        "_imap._tcp.acme.example": "0 0 0 .",
        "_pop3._tcp.acme.example": "0 0 0 .",
        "_pop3s._tcp.acme.example": "0 0 0 .",
        "_submission._tcp.acme.example": "0 0 0 .",
    }
    assert {each.rule for each in found.values()} == {Rule.OPTIONAL}
    without = rendered(document("{address: ann@acme.example}", mail="none")).records
    assert not [each for each in without if each.type is RecordType.SRV]
