"""The main job as a newcomer sees it: a delivered mail, a person's mail client, and how fast warm
and cold mail leaves."""

from __future__ import annotations

import os
import re

import pytest

from tests.support.own_namespaces import own_state, run_apart

SCRIPT = """
"$python" -m cli.main demo
exec "$python" -c '
from composition.embedded import servers
from sandbox import local
print("left:", local.is_up(), local.control_plane_pid(), *(each.pid() for each in servers()))
'
"""


@pytest.mark.hosts
@pytest.mark.engine
@pytest.mark.timeout(3000)
def test_demo_shows_authenticated_mail_of_queue_and_people_then_warm_and_cold_mail(
    real_hosts: None,
) -> None:
    with own_state(f"demo-{os.getpid()}") as state:
        done = run_apart(SCRIPT, state=state, COLUMNS="200")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    ready = (
        "DnsReady",
        "CertificatesReady",
        "HostsConfigured",
        "IdentityReady",
        "Verified",
        "SendingEnabled",
    )
    for condition in (*ready, "Ready"):
        assert re.search(rf"\b{condition}\b", output), output
    for verdict in ("dkim=pass", "spf=pass", "dmarc=pass"):
        assert verdict in output, output
    assert re.search(r"mx1-[23]\.acme\.example", output), output
    assert "Do you deliver on Sundays?" in output
    assert re.search(r"mbsync copied the inbox; mails in it: [1-9]", output), output
    [answer] = re.findall(r"── the answer as it was received .*?\n\n", output, re.DOTALL)
    for verdict in ("dkim=pass", "header.s=mu1", "spf=pass", "dmarc=pass", "mx1.acme.example"):
        assert verdict in answer, output
    assert "$48.97" in output
    assert re.search(r"^globex +1000 ", output, re.MULTILINE), output
    until = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b"
    held = rf"^acme +sales@acme\.example other .* (hour cap reached|spread) +{until}"
    assert re.search(held, output, re.MULTILINE), output
    assert "make up" in output
    assert "Traceback" not in output
    assert done.stdout.endswith("left: False None None None\n"), output
