"""The main job as a newcomer sees it: one command, one tenant file, one delivered mail."""

from __future__ import annotations

import os
import re

import pytest

from composition.embedded import servers
from sandbox import local
from tests.support.command_line import run_process


@pytest.mark.hosts
@pytest.mark.engine
@pytest.mark.timeout(900)
def test_demo_ends_with_an_authenticated_mail(real_hosts: None) -> None:
    was_up = local.is_up()
    done = run_process("demo", environment={**os.environ, "COLUMNS": "200"})
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for condition in ("DnsReady", "HostsConfigured", "Verified", "SendingEnabled", "Ready"):
        assert re.search(rf"\b{condition}\b", said), said
    for verdict in ("dkim=pass", "spf=pass", "dmarc=pass"):
        assert verdict in said, said
    assert re.search(r"mx1-[23]\.acme\.example", said), said
    assert "$48.97" in said
    assert "make up" in said
    assert "Traceback" not in said
    assert local.is_up() == was_up
    if not was_up:
        assert local.control_plane_pid() is None
        assert [server.pid() for server in servers()] == [None, None]
