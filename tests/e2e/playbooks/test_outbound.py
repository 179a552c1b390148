"""A real host tries whether mail leaves, and the provider closes port 25."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.ports import CloudState, Finding, Login
from controlplane.verification import InternetVerifier
from controlplane.verification.faults import SEEN_BY_ITSELF
from controlplane.verification.outbound import faults
from lab.running import required
from tests.support.waiting import wait_for

pytestmark = pytest.mark.hosts

NOT_OURS = "203.0.113.9"
KEPT = "/var/lib/penguin/outbound.json"


def looked(host: Any, *, known_host: str = "", **changes: str) -> list[Finding]:
    """Verify the host as the control plane does, after its last report was lost."""
    host.shell(f"rm -f {KEPT}")
    options = {"source": host.lab.sender_address, **changes}
    verifier = InternetVerifier(
        resolver=host.lab.resolver, echo_mx=host.lab.echo_mx, shell=OpenSsh(), **options
    )
    login = Login(known_host or host.known_host, host.secrets.ssh_private_key)
    findings = verifier.verify_hosts(
        host.blueprint,
        CloudState("x", (host.observed,)),
        authority=host.ca,
        logins={"mx1": login},
        unchanged_for=timedelta.max,
    )
    return list(asyncio.run(findings))


def outbound(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.check == "smtp.outbound"]


@pytest.fixture
def profile(customer):
    """Change the rules of the provider's firewall profile, which is right again afterwards."""
    yield lambda **rules: customer.portal("profiles", name="play", **rules)
    customer.portal("profiles", name="play", ports=[22, 25, 587])


def rule(direction: str, protocol: str, first: int | None, last: int | None) -> dict[str, object]:
    return {
        "direction": direction,
        "ethertype": "IPv4",
        "protocol": protocol,
        "port_range_min": first,
        "port_range_max": last,
        "description": "",
    }


def test_mail_leaves_until_the_provider_closes_port_25(
    mail_host, profile, lab_directory: Path
) -> None:
    wait_for(lambda: required(lab_directory).receiver_ready)
    right = outbound(looked(mail_host))
    assert [(f.ok, f.code) for f in right] == [(True, None)] * 3, right
    assert mail_host.shell("systemctl is-active penguin-outbound.timer") == "active\n"

    mail_host.shell("systemctl start penguin-outbound.service")
    assert mail_host.lab.echo_mx in mail_host.shell(f"cat {KEPT}")

    profile(
        rules=[
            *(rule("ingress", "tcp", port, port) for port in (22, 25, 587)),
            rule("egress", "tcp", 26, 65535),
            rule("egress", "udp", None, None),
        ]
    )
    closed = outbound(looked(mail_host))
    assert [(f.ok, f.code) for f in closed] == [(False, faults.OUTBOUND_CLOSED)] * 3, closed
    assert f"no SMTP connection to {mail_host.lab.echo_mx} port 25: timed out" in closed[0].message


def test_port_25_is_seen_by_the_host_itself_where_the_control_plane_cannot(mail_host) -> None:
    findings = [
        finding
        for finding in looked(mail_host, source=NOT_OURS)
        if finding.subject in {"address/mx1-1", "domain/play.example"}
    ]
    seen = {(f.check, f.ok, f.code) for f in findings if f.check != "smtp.outbound"}
    assert seen == {
        ("smtp.banner", True, None),
        ("smtp.banner", True, SEEN_BY_ITSELF),
        ("smtp.relay", True, None),
        ("smtp.inbound", True, None),
    }


def test_host_with_another_key_is_not_believed(mail_host) -> None:
    address, kind, key = mail_host.known_host.split()
    other = f"{address} {kind} {key[:-8]}{key[-8:].swapcase()}"
    findings = outbound(looked(mail_host, known_host=other))
    assert [(f.ok, f.code) for f in findings] == [(None, faults.OUTBOUND_UNREAD)] * 3
    assert "the host's SSH key differs" in findings[0].message
