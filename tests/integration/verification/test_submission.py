"""A fault of a mail server has one finding."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blueprint.document import Mailbox
from controlplane.authority.certificates import create_ca
from controlplane.reconciler.ports import CERTIFICATE, Finding
from controlplane.verification import InternetVerifier, faults
from controlplane.verification.submission import OTHER_DOMAIN
from kit.faults import Code

from .conftest import STATE, assert_shown, blueprint_of
from .mail_server import HELO
from .name_server import IP

OWN = [
    "sales@manual.example",
    *(
        f"{name}@{domain}"
        for domain in ("acme.example", "manual.example")
        for name in ("postmaster", "abuse")
    ),
]
ACME, MANUAL = "domain/acme.example", "domain/manual.example"


@pytest.fixture
async def ports(mail):
    """A submission port and a port 25, both without faults."""
    submission, inbound = await mail(), await mail()
    inbound.replies = dict.fromkeys(OWN, "250 OK")
    inbound.encrypts = False
    return submission, inbound


async def verify(ports, blueprint, roots: Path | None = None) -> list[Finding]:
    submission, inbound = ports
    verifier = InternetVerifier(
        submission_port=submission.port, mail_port=inbound.port, roots=roots
    )
    authority = submission.authority.certificate
    findings = await verifier.verify_hosts(
        blueprint,
        STATE,
        authority=authority,
        logins={},
        unchanged_for=timedelta.max,
        public_names=[HELO] if roots else [],
    )
    return [finding for finding in findings if finding.check != "smtp.outbound"]


def wrong(findings: list[Finding]) -> list[tuple[str, bool | None, Code | None]]:
    assert_shown(findings)
    assert all(f.remedy for f in findings if not f.ok)
    inbound = {ACME, MANUAL}
    for finding in findings:
        about = inbound if finding.check == "smtp.inbound" else {"address/mx1-1"}
        assert finding.subject in about
    return [(f.check, f.ok, f.code) for f in findings if not f.ok]


async def test_right_host_passes_every_check(ports, blueprint) -> None:
    findings = await verify(ports, blueprint)
    assert [(f.check, f.ok) for f in findings] == [
        ("smtp.banner", True),
        ("smtp.tls", True),
        ("smtp.auth", True),
        ("smtp.relay", True),
        ("smtp.banner", True),
        ("smtp.relay", True),
        ("smtp.inbound", True),
        ("smtp.inbound", True),
    ]


@pytest.fixture
def roots(ports, tmp_path: Path) -> Path:
    """The public authorities; port 25 shows a certificate of one of them."""
    _, inbound = ports
    inbound.encrypts, inbound.offers_auth = True, False
    inbound.issuer = create_ca("public", now=datetime.now(UTC))
    path = tmp_path / "roots.pem"
    path.write_text(inbound.issuer.certificate)
    return path


async def test_port_25_with_a_public_certificate_passes(ports, blueprint, roots) -> None:
    findings = await verify(ports, blueprint, roots)
    assert all(finding.ok for finding in findings)
    assert findings[-1].check == CERTIFICATE


@pytest.mark.parametrize("fault", [{"certified": "other.example"}, {"issuer": None},
                                   {"encrypts": False}])  # fmt: skip
async def test_port_25_with_another_certificate_has_its_own_finding_and_hides_no_other(
    ports, blueprint, roots, fault
) -> None:
    for name, value in fault.items():
        setattr(ports[1], name, value)
    findings = await verify(ports, blueprint, roots)
    assert wrong(findings) == [(CERTIFICATE, False, faults.TLS_FAILED)]
    assert [f.ok for f in findings if f.check == "smtp.inbound"] == [True, True]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"greeting": "other.example"}, ("smtp.banner", False, faults.WRONG_NAME)),
        ({"certified": "other.example"}, ("smtp.tls", False, faults.TLS_FAILED)),
        ({"encrypts": False}, ("smtp.tls", False, faults.TLS_FAILED)),
        ({"offers_auth": False}, ("smtp.auth", False, faults.WRONG_AUTH)),
        ({"auth_in_clear": True}, ("smtp.tls", False, faults.WRONG_AUTH)),
        ({"replies": {OTHER_DOMAIN: "250 OK"}}, ("smtp.relay", False, faults.OPEN_RELAY)),
        ({"replies": {OTHER_DOMAIN: "450 later"}}, ("smtp.relay", None, faults.UNCLEAR)),
    ],
)
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_submission_port_with_a_fault_has_its_finding(
    ports, blueprint, fault, expected
) -> None:
    for name, value in fault.items():
        setattr(ports[0], name, value)
    assert wrong(await verify(ports, blueprint)) == [expected]


async def test_relay_that_is_refused_for_now_as_an_unknown_domain_is_refused(
    ports, blueprint
) -> None:
    ports[1].replies[OTHER_DOMAIN] = "454 4.7.1 <relay-test@example.com>: Relay access denied"
    assert wrong(await verify(ports, blueprint)) == []


async def test_certificate_of_another_authority_is_a_fault(ports, blueprint) -> None:
    ports[0].issuer = create_ca("somebody", now=datetime.now(UTC))
    assert wrong(await verify(ports, blueprint)) == [("smtp.tls", False, faults.TLS_FAILED)]


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({OTHER_DOMAIN: "250 OK"}, ("smtp.relay", False, faults.OPEN_RELAY)),
        ({OWN[3]: "550 no"}, ("smtp.inbound", False, faults.INBOUND_REFUSED)),
        ({OWN[0]: "550 no"}, ("smtp.inbound", False, faults.INBOUND_REFUSED)),
        ({OWN[1]: "450 later"}, ("smtp.inbound", None, faults.UNCLEAR)),
        (
            {OWN[0]: "454 4.7.1 Relay access denied"},
            ("smtp.inbound", False, faults.INBOUND_REFUSED),
        ),
        ({OTHER_DOMAIN: "454 4.7.0 no TLS"}, ("smtp.relay", None, faults.UNCLEAR)),
    ],
)
async def test_port_25_with_a_fault_has_its_finding(ports, blueprint, replies, expected) -> None:
    ports[1].replies |= replies
    assert wrong(await verify(ports, blueprint)) == [expected]


@pytest.mark.parametrize("answer", ["250 OK", "450 4.1.2 Domain not found"])
async def test_relay_attempt_that_is_not_refused_hides_no_recipient(
    ports, blueprint, answer
) -> None:
    ports[1].replies |= {OTHER_DOMAIN: answer, OWN[3]: "550 no"}
    [relay, inbound] = wrong(await verify(ports, blueprint))
    assert relay[0] == "smtp.relay"
    assert inbound == ("smtp.inbound", False, faults.INBOUND_REFUSED)


async def test_domain_whose_mail_goes_elsewhere_need_not_be_accepted(ports) -> None:
    accepted = [
        f"{name}@{domain}"
        for domain in ("acme.example", "b.manual.example")
        for name in ("postmaster", "abuse")
    ]
    ports[1].replies = dict.fromkeys(accepted, "250 OK")
    assert wrong(await verify(ports, blueprint_of(mailboxes=False))) == []


async def test_every_from_address_must_receive_mail(ports, blueprint) -> None:
    names = [f"person{number}@acme.example" for number in range(60)]
    boxes = tuple(
        Mailbox(address=name, domain="acme.example", daily_cap=10)
        for name in (*names, "sales@acme.example")
    )
    with_mailboxes = blueprint.model_copy(update={"mailboxes": boxes})
    ports[1].replies |= dict.fromkeys(names, "250 OK")

    findings = await verify(ports, with_mailboxes)

    [refused] = [f for f in findings if not f.ok]
    assert (refused.subject, refused.code) == (ACME, faults.INBOUND_REFUSED)
    assert "sales@acme.example" in refused.message
    ports[1].replies["sales@acme.example"] = "250 OK"
    assert wrong(await verify(ports, with_mailboxes)) == []
    alias = boxes[0].model_copy(update={"aliases": ("hello@acme.example",)})
    with_alias = blueprint.model_copy(update={"mailboxes": (alias,)})
    [refused] = [f for f in await verify(ports, with_alias) if not f.ok]
    assert "hello@acme.example" in refused.message
    everybody = [d.model_copy(update={"catch_all": names[0]}) for d in blueprint.domains[:1]]
    with_catch_all = with_mailboxes.model_copy(update={"domains": tuple(everybody)})
    assert wrong(await verify(ports, with_catch_all)) == [
        ("smtp.inbound", False, faults.INBOUND_REFUSED)
    ]


async def test_closed_port_is_a_fault(ports, blueprint) -> None:
    ports[0].port = 1
    assert wrong(await verify(ports, blueprint)) == [("smtp.banner", False, faults.NO_BANNER)]


async def test_port_without_a_banner_is_a_fault(ports, blueprint, monkeypatch) -> None:
    monkeypatch.setattr("controlplane.verification.submission.TIMEOUT", 0.2)
    silent = await asyncio.get_running_loop().create_server(asyncio.Protocol, IP, 0)
    ports[0].port = silent.sockets[0].getsockname()[1]
    assert wrong(await verify(ports, blueprint)) == [("smtp.banner", False, faults.NO_BANNER)]
    silent.close()
    await silent.wait_closed()
