"""The main job as a newcomer sees it: a delivered mail, a person's mail client, and how fast warm
and cold mail leaves."""

from __future__ import annotations

import os
import re

import pytest

from composition.embedded import servers
from sandbox import local
from tests.support.command_line import run_process
from tests.support.machine import wait_until_free


@pytest.mark.hosts
@pytest.mark.engine
@pytest.mark.timeout(3000)
def test_demo_shows_authenticated_mail_of_queue_and_people_then_warm_and_cold_mail(
    real_hosts: None,
) -> None:
    was_up = local.is_up()
    wait_until_free(local.lab_dir())
    done = run_process("demo", environment={**os.environ, "COLUMNS": "200"})
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
    if not was_up:  # else an earlier demo has used the hour's caps
        assert re.search(r"^globex +1000 ", output, re.MULTILINE), output
    until = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b"
    held = rf"^acme +sales@acme\.example other .* (hour cap reached|spread) +{until}"
    assert re.search(held, output, re.MULTILINE), output
    assert "make up" in output
    assert "Traceback" not in output
    assert local.is_up() == was_up
    if not was_up:
        assert local.control_plane_pid() is None
        assert [server.pid() for server in servers()] == [None, None]
