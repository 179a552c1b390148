"""A tenant on real hosts recovers from failures, and nothing is bought twice."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from blueprint.platform import FIREWALL_PROFILE
from cli.api import Api, connect
from controlplane.ansible.private_directory import clear_abandoned, default_root
from controlplane.operations.schemas import OperationPage, OperationView
from kit.paths import checkout, state_dir
from lab import leftovers
from lab.running import RunningLab, required
from sandbox import down, local, up
from tests.support import plain_http
from tests.support.command_line import run_printed, run_process
from tests.support.machine import when_free
from tests.support.oddest import DELAYS, FORMS
from tests.support.own_namespaces import APART
from tests.support.processes import connects_to, mentioning
from tests.support.waiting import wait_for
from tools.servers import shared_memory
from tools.servers.process import Account

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.engine,
    pytest.mark.timeout(1800),
    pytest.mark.in_order,
]
FILE = str(Path(__file__).with_name("acme.yaml"))
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only listed
until = partial(wait_for, seconds=600)
until_printed = partial(until, longest_pause=1)
"""For what a command prints: each time it asks the API."""


@pytest.fixture(scope="module")
def own_lab(real_hosts: None) -> Iterator[RunningLab]:
    """A separate sandbox for this module, whose provider is as odd as it may be."""
    if local.is_up():
        pytest.fail("a sandbox of this checkout runs, and these tests break theirs: `make down`")
    impatient = {"HOSTWINDS_PROVISIONING_DEADLINE": "3"}
    when_free(partial(up.start, extra=impatient), local.lab_dir())
    lab = required(local.lab_dir())
    remove = f"{lab.hostwinds_url}/_lab/portal/profiles"
    plain_http.request("DELETE", remove, json={"name": FIREWALL_PROFILE}).raise_for_status()
    switches = f"{lab.hostwinds_url}/_lab/settings"
    plain_http.post(switches, json={**FORMS, **DELAYS}).raise_for_status()
    yield lab
    down.stop()


@pytest.fixture
def api(own_lab: RunningLab) -> Api:
    return connect()


def penguin(*arguments: str) -> str:
    done = run_printed(*arguments, environment=local.environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def ready() -> None:
    penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=600s")


def operations(api: Api) -> list[OperationView]:
    return list(api.pages("/tenants/acme/operations", OperationPage))


def bought(lab: RunningLab) -> list[str]:
    ledger = plain_http.get(f"{lab.hostwinds_url}/_lab/ledger").json()
    return sorted(line["kind"] for line in ledger)


def sent() -> dict[str, Any]:
    """Send a mail by a command of its own, as a person does."""
    done = run_process(
        "send", "--from", "sales@acme.example", "--to", "alice@rcpt.example", "--subject", "Hello",
        "--text", "Hello", "--tenant", "acme", "--wait", "--timeout=600s", "-o", "json",
        environment={**os.environ, **local.environment()},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    message: dict[str, Any] = json.loads(done.stdout)
    return message


def until_reported(condition: str, *parts: str) -> None:
    """Wait until `describe` shows a condition as False, with all of these texts."""

    def lines() -> list[str]:
        page = penguin("describe", "tenant", "acme").replace("\n        ", " ").splitlines()
        return [line for line in page if f"✗ {condition}" in line]

    until_printed(lambda: any(all(part in line for part in parts) for line in lines()))


def power(lab: RunningLab, action: str) -> None:
    """Run a power action of the provider's panel."""
    [server] = plain_http.get(f"{lab.hostwinds_url}/_lab/portal/servers").json()
    form = {"action": action, "API": lab.hostwinds_key, "serviceid": str(server["serviceid"])}
    plain_http.post(f"{lab.hostwinds_url}/cloud/api.php", data=form)


def test_firewall_profile_that_does_not_exist_is_reported_and_nothing_is_ordered(
    own_lab: RunningLab,
) -> None:
    penguin("apply", "-f", FILE)
    until_reported(
        "InfrastructureReady", "HostwindsFirewallProfileMissing", "create penguin-mail in the"
    )
    assert bought(own_lab) == []


def test_host_that_never_boots_is_reported_and_not_ordered_again(own_lab: RunningLab) -> None:
    penguin("lab", "fault", "hostwinds", "never_boots")
    penguin("lab", "profile", FIREWALL_PROFILE, "--port", "22", "--port", "25", "--port", "587")
    penguin("apply", "-f", FILE)

    until_reported(
        "InfrastructureReady", "HostwindsNotActive", "stack/acme/mx1", "ask Hostwinds' support"
    )
    # The newest operation may still run.
    until_printed(lambda: "hostwinds.not_active" in penguin("logs", "acme"))
    assert bought(own_lab) == ["server"]

    power(own_lab, "boot")
    penguin("wait", "tenant", "acme", "--for=condition=InfrastructureReady", "--timeout=600s")
    assert bought(own_lab).count("server") == 1


def test_control_plane_killed_during_configuration_goes_on_and_buys_nothing_twice(
    own_lab: RunningLab, api: Api
) -> None:
    penguin("apply", "-f", FILE)
    until(lambda: any(o.phase == "configuration" for o in operations(api)))
    pid = local.control_plane_pid()
    assert pid is not None
    supervisor = psutil.Process(pid)
    for process in (supervisor, *supervisor.children()):
        process.kill()
    until(lambda: local.control_plane_pid() is None)

    local.start_control_plane()
    ready()

    assert bought(own_lab) == ["address", "address", "server"]
    outcomes = [o.outcome for o in operations(connect()) if o.phase == "configuration"]
    assert outcomes[0] == "succeeded"
    assert "aborted" in outcomes


def test_playbook_that_failed_half_way_goes_on_when_its_cause_is_corrected(
    own_lab: RunningLab, api: Api, tmp_path: Path
) -> None:
    ready()
    [server] = plain_http.get(f"{own_lab.hostwinds_url}/_lab/portal/servers").json()
    disk = local.lab_dir() / leftovers.HOSTS / str(server["serviceid"]) / "m"
    obstacle = disk / "etc/dovecot/dovecot.conf"
    original = obstacle.read_text()
    obstacle.unlink()
    (obstacle / "in the way").mkdir(parents=True)
    changed = tmp_path / "acme.yaml"
    text = Path(FILE).read_text()
    changed.write_text(
        text.replace("mailboxes:\n", "mailboxes:\n    - {address: more@acme.example}\n")
    )
    penguin("apply", "-f", str(changed))

    until_reported(
        "HostsConfigured", "HostsTaskFailed", "host/mx1", "dovecot.conf", "correct what the"
    )
    shutil.rmtree(obstacle)
    ready()

    assert obstacle.read_text() == original
    runs = [o for o in operations(api) if o.phase == "configuration" and o.generation > 1]
    assert runs[0].outcome == "succeeded"
    assert runs[-1].error_code == "hosts.task_failed"
    assert bought(own_lab) == ["address", "address", "server"]


def test_host_whose_clock_is_not_proven_is_not_changed_before_it_is(own_lab: RunningLab) -> None:
    ready()
    [server] = plain_http.get(f"{own_lab.hostwinds_url}/_lab/portal/servers").json()
    disk = local.lab_dir() / leftovers.HOSTS / str(server["serviceid"]) / "m"
    mailboxes = disk / "etc/postfix-inbound/mailboxes"
    assert "people/more%40" in mailboxes.read_text()

    penguin("lab", "fault", "time", "lies_by_an_hour", "--times", "-1")
    penguin("apply", "-f", FILE)
    until_reported("HostsConfigured", "HostsClockWrong", "host/mx1", "3600.0 s behind 198.18.0.2")
    assert "people/more%40" in mailboxes.read_text()

    penguin("lab", "fault", "time", "clear")
    ready()
    assert "people/more%40" not in mailboxes.read_text()


def test_pulumi_by_hand_changes_nothing(own_lab: RunningLab) -> None:
    ready()
    done = subprocess.run(
        ["pulumi", "up", "-s", "acme", "--yes", "--skip-preview"],
        cwd=checkout(),
        env={**os.environ, **local.environment()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "created" not in done.stdout, done.stdout
    assert "updated" not in done.stdout, done.stdout
    assert re.search(r"Resources:\s+\d+ unchanged\n", done.stdout), done.stdout


def test_host_rebooted_at_the_provider_sends_again(own_lab: RunningLab, api: Api) -> None:
    ready()
    power(own_lab, "reboot")
    local.wait_for_receiver()
    assert sent()["state"] == "accepted"
    ready()
    assert bought(own_lab) == ["address", "address", "server"]


def test_tenant_that_is_deleted_leaves_no_server_and_no_record(own_lab: RunningLab) -> None:
    penguin("delete", "tenant", "acme", "--yes", "--wait", "--timeout=600s")
    assert plain_http.get(f"{own_lab.hostwinds_url}/_lab/portal/servers").json() == []
    headers = {"Authorization": f"Bearer {own_lab.cloudflare_token}"}
    base = f"{own_lab.cloudflare_url}/client/v4/zones"
    for zone in plain_http.get(base, headers=headers).json()["result"]:
        records = plain_http.get(f"{base}/{zone['id']}/dns_records", headers=headers)
        assert records.json()["result"] == []


def down_leaves_nothing() -> None:
    """Stop the sandbox and check that nothing of it remains on this machine."""
    dynamic = set(SHARED_MEMORY.glob("PostgreSQL.*"))
    pid_file = state_dir() / "postgres" / "data" / "postmaster.pid"
    segment = shared_memory.segment_of(pid_file.read_text())
    assert segment is not None
    down.stop()
    chaos = ("chaos-queue", "chaos-reconciler")
    excluded = (APART, *chaos, "engine", "test-servers")  # used by other tests meanwhile
    assert mentioning(state_dir(), excluded=excluded) == {}
    assert clear_abandoned(default_root()) == 0
    assert leftovers.of(local.lab_dir()) == {}
    assert shared_memory.attached(segment, Account.for_servers().uid) is None
    assert set(SHARED_MEMORY.glob("PostgreSQL.*")) <= dynamic


def test_sandbox_ended_during_verification_leaves_nothing(own_lab: RunningLab) -> None:
    penguin("apply", "-f", FILE)
    until(lambda: any(o.phase == "configuration" for o in operations(connect())))
    # Without an answer a connection to port 25 lasts until its timeout.
    penguin("lab", "profile", FIREWALL_PROFILE, "--port", "22", "--port", "587")
    wait_for(lambda: connects_to(25), seconds=240)
    down_leaves_nothing()


def test_sandbox_ended_during_configuration_leaves_nothing(own_lab: RunningLab) -> None:
    up.start()
    penguin("apply", "-f", FILE)
    until(lambda: any(o.phase == "configuration" for o in operations(connect())))
    down_leaves_nothing()
