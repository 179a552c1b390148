"""Faults of engine runs have a code and a remedy, and the next run recovers from them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.pulumi import faults
from controlplane.pulumi.engine import PulumiEngine
from controlplane.reconciler.cancellation import cancellable
from controlplane.reconciler.faults import OPERATION_ENDED
from kit.faults import Fault
from kit.paths import checkout
from stacks.backend import Stacks
from stacks.faults import ADOPTED, STATE_UNREACHABLE
from tests.support.faults import assert_shows, fault_shown
from tests.support.processes import command, tree
from tests.support.pulumi_engine import kill_engine, pulumi_engine
from tests.support.tenants import rendered, tenant

from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)


def fails(engine: PulumiEngine, blueprint: Blueprint) -> Fault:
    with pytest.raises(Fault) as caught:
        engine.up(blueprint, print, deadline=DEADLINE)
    assert caught.value.remedy
    assert caught.value.where
    assert "Traceback" not in str(caught.value)
    return caught.value


def test_unreachable_state_is_a_fault_before_any_purchase(
    environment: dict[str, str], root: Path, blueprint: Blueprint, cloud: Cloud
) -> None:
    wrong = {**environment, "PULUMI_BACKEND_URL": "postgres://127.0.0.1:9/none"}
    engine = pulumi_engine(wrong, root)
    assert_shows(fails(engine, blueprint), STATE_UNREACHABLE, reason=...)
    assert cloud.bought() == []


def test_foreign_record_holds_its_zone_before_any_purchase(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud
) -> None:
    [zone, _] = cloud.cloudflare.zones()
    foreign = {"name": "acme.example", "type": "TXT", "content": "v=spf1 -all", "ttl": 300}
    record = cloud.cloudflare.create(zone["id"], foreign)
    [held] = cloud_engine.up(blueprint, print, deadline=DEADLINE).held
    assert (held.zone, held.code) == ("acme.example", "dns.foreign_record")
    assert "TXT acme.example" in held.message
    assert cloud.bought() == []
    cloud.cloudflare.delete(zone["id"], record["id"])
    assert cloud_engine.up(blueprint, print, deadline=DEADLINE).digest == blueprint.digest


def test_website_at_the_apex_and_answers_that_are_lost_need_nobody(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud
) -> None:
    """A proxied alias is served beside MX and TXT; a POST that the SDK repeats was granted."""
    [zone, _] = cloud.cloudflare.zones()
    site = {"name": "acme.example", "type": "CNAME", "content": "site.example", "ttl": 1}
    website = cloud.cloudflare.create(zone["id"], site)
    cloud.cloudflare.faults.inject("lost_answer", times=3)
    state = cloud_engine.up(blueprint, print, deadline=DEADLINE)
    assert (state.held, state.digest) == ((), blueprint.digest)
    listed = cloud.cloudflare.records(zone["id"])
    assert website in listed
    marks = [record["comment"] for record in listed if record != website]
    assert len(marks) == len(set(marks)) == len(state.records)
    assert cloud.cloudflare.faults.active() == {}


def test_record_that_somebody_deleted_is_written_again_by_a_change_of_it(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud
) -> None:
    state = cloud_engine.up(blueprint, print, deadline=DEADLINE)
    [zone, _] = cloud.cloudflare.zones()
    key = "acme.example/SPF"
    cloud.cloudflare.delete(zone["id"], state.records[key])
    records = tuple(
        record.model_copy(update={"content": "v=spf1 -all"}) if record.key == key else record
        for record in blueprint.records
    )
    changed = blueprint.model_copy(update={"records": records, "digest": "sha256:changed"})
    lines: list[str] = []
    state = cloud_engine.up(changed, lines.append, deadline=DEADLINE)
    assert_shows("\n".join(lines), faults.RECORD_GONE, reason=...)
    assert cloud.cloudflare.record(zone["id"], state.records[key])["content"] == '"v=spf1 -all"'


def test_marked_record_is_adopted(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud
) -> None:
    [zone, _] = cloud.cloudflare.zones()
    desired = next(record for record in blueprint.records if record.key == "acme.example/SPF")
    existing = {
        "name": desired.name,
        "type": "TXT",
        "content": "v=spf1 -all",
        "comment": desired.comment,
    }
    record = cloud.cloudflare.create(zone["id"], {**existing, "ttl": 60})
    lines: list[str] = []
    state = cloud_engine.up(blueprint, lines.append, deadline=DEADLINE)
    assert_shows("\n".join(lines), ADOPTED, records="acme.example/SPF")
    assert state.records["acme.example/SPF"] == record["id"]
    answer = cloud.nameserver.zones["acme.example"]["acme.example", "TXT"]
    assert answer == (desired.ttl, (desired.content,))


def test_refreshed_update_writes_again_what_others_have_deleted_and_changed(
    cloud_engine: PulumiEngine, cloud: Cloud
) -> None:
    blueprint = rendered(tenant("mx1@acme.example", domains="acme.example"))

    def records() -> dict[str, tuple[str, str]]:
        return {
            record["comment"]: (record["id"], record["content"])
            for record in cloud.cloudflare.records(zone["id"])
        }

    [zone] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example"]
    state = cloud_engine.up(blueprint, print, deadline=DEADLINE)
    before = {comment: content for comment, (_, content) in records().items()}
    cloud.cloudflare.delete(zone["id"], state.records["acme.example/MX"])
    cloud.cloudflare.change(
        zone["id"], state.records["acme.example/SPF"], {"content": '"v=spf1 -all"'}
    )
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    assert {comment: content for comment, (_, content) in records().items()} != before

    state = cloud_engine.up(blueprint, print, deadline=DEADLINE, refreshed=True)

    assert {comment: content for comment, (_, content) in records().items()} == before
    assert {id_ for id_, _ in records().values()} <= set(state.records.values())


def test_lost_reverse_name_is_set_again(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud
) -> None:
    """The provider does not show it: the caller has seen it at name servers."""
    [host] = cloud_engine.up(blueprint, print, deadline=DEADLINE).hosts
    ip = str(host.primary_ip)
    cloud.nameserver.pointers[ip] = "hwsrv-1.hostwindsdns.com"
    cloud_engine.up(blueprint, print, deadline=DEADLINE, refreshed=True)
    assert cloud.nameserver.pointers[ip] != "mx1.acme.example"
    cloud_engine.up(blueprint, print, deadline=DEADLINE, refreshed=True, lost_pointers=[ip])
    assert cloud.nameserver.pointers[ip] == "mx1.acme.example"
    assert cloud_engine.state("acme").hosts[0].addresses[0].helo == "mx1.acme.example"


def test_engine_sees_neither_key_nor_journal_of_the_provider(
    cloud_engine: PulumiEngine, blueprint: Blueprint, environment: dict[str, str]
) -> None:
    seen: list[str] = []

    def look(line: str) -> None:
        programs = {pid: command(pid).partition(b"\0")[0] for pid in tree(os.getpid())}
        for pid in (pid for pid, program in programs.items() if program.endswith(b"/pulumi")):
            with suppress(OSError):  # it has ended
                seen.append(Path(f"/proc/{pid}/environ").read_bytes().decode())

    cloud_engine.up(blueprint, look, deadline=DEADLINE)
    cloud_engine.destroy("acme", look, deadline=DEADLINE)
    assert any("PULUMI_BACKEND_URL=" in variables for variables in seen)
    for name in ("HOSTWINDS_API_KEY", "HOSTWINDS_JOURNAL"):
        assert name in environment
        assert not any(f"{name}=" in variables for variables in seen)


def test_destroyed_stack_leaves_no_directory_of_the_tenant(
    cloud_engine: PulumiEngine, root: Path
) -> None:
    cloud_engine.destroy("acme", print, deadline=DEADLINE)
    assert not (root / "acme").exists()


def test_operation_past_its_deadline_is_ended_and_the_next_continues(
    cloud_engine: PulumiEngine,
    blueprint: Blueprint,
    cloud: Cloud,
    environment: dict[str, str],
    root: Path,
) -> None:
    cloud.hostwinds.faults.inject("never_boots", 1)
    passed = [0.0]

    def pass_when_ordered(_: str) -> None:
        if cloud.bought():
            passed[0] = DEADLINE.total_seconds()

    slow = pulumi_engine(environment, root, clock=lambda: passed[0])
    with pytest.raises(Fault) as caught:
        slow.up(blueprint, pass_when_ordered, deadline=DEADLINE)
    assert_shows(caught.value, OPERATION_ENDED, reason=f"it took longer than {DEADLINE}")
    assert Stacks(environment["PULUMI_BACKEND_URL"]).locks("acme") == [], "it has ended by itself"
    [server] = cloud.hostwinds.all_servers()
    cloud.hostwinds.begin(server)
    cloud.sell_addresses(1)
    assert cloud_engine.up(blueprint, print, deadline=DEADLINE).digest == blueprint.digest
    assert cloud.bought() == ["server", "address"]


def test_cancelled_engine_finishes_what_it_has_begun_and_the_next_run_continues(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud, environment: dict[str, str]
) -> None:
    cloud.hostwinds.faults.inject("never_boots", 1)
    with cancellable() as cancelled:

        def cancel_when_ordered(_: str) -> None:
            if cloud.bought():
                cancelled.set()

        with fault_shown(OPERATION_ENDED, reason="it was cancelled"):
            cloud_engine.up(blueprint, cancel_when_ordered, deadline=DEADLINE)
    assert Stacks(environment["PULUMI_BACKEND_URL"]).locks("acme") == [], "it has ended by itself"
    [server] = cloud.hostwinds.all_servers()
    cloud.hostwinds.begin(server)
    cloud.sell_addresses(1)
    assert cloud_engine.up(blueprint, print, deadline=DEADLINE).digest == blueprint.digest
    assert cloud.bought() == ["server", "address"]


def test_run_killed_with_all_its_processes_is_completed_by_the_next(
    cloud_engine: PulumiEngine,
    blueprint: Blueprint,
    cloud: Cloud,
    environment: dict[str, str],
    root: Path,
    tmp_path: Path,
) -> None:
    document = tmp_path / "acme.json"
    document.write_text(blueprint.model_dump_json(by_alias=True))
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(document), str(root)],
        cwd=checkout(),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert controller.stdout is not None
    for line in controller.stdout:
        if "created Instance" in line:
            break
    controller.kill()
    controller.wait()
    controller.stdout.close()
    cloud.sell_addresses(1)
    state = cloud_engine.up(blueprint, print, deadline=DEADLINE)
    assert state.digest == blueprint.digest
    assert state.pending == ()
    assert cloud.bought() == ["server", "address"]
    assert cloud_engine.preview(blueprint, print).changes == ()


def test_killed_engine_leaves_no_lock(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud
) -> None:
    def kill_at_creation(line: str) -> None:
        if "created Instance" in line:  # as when memory is exhausted
            kill_engine()

    with fault_shown(OPERATION_ENDED, reason="the engine was ended by SIGKILL"):
        cloud_engine.up(blueprint, kill_at_creation, deadline=DEADLINE)
    cloud.sell_addresses(1)
    lines: list[str] = []
    assert cloud_engine.up(blueprint, lines.append, deadline=DEADLINE).pending == ()
    assert "removed the lock of our process" in lines[0]
    assert cloud.bought() == ["server", "address"]


def test_pending_operation_of_a_killed_engine_is_cleared_when_its_effect_was_observed(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloud: Cloud, environment: dict[str, str]
) -> None:
    stacks = Stacks(environment["PULUMI_BACKEND_URL"])
    cloud.hostwinds.faults.inject("never_boots", 1)

    def kill_when_ordered(_: str) -> None:
        if cloud.bought():
            kill_engine()

    with fault_shown(OPERATION_ENDED, reason="the engine was ended by SIGKILL"):
        cloud_engine.up(blueprint, kill_when_ordered, deadline=DEADLINE)
    assert stacks.checkpoint("acme").pending
    [server] = cloud.hostwinds.all_servers()
    cloud.hostwinds.begin(server)
    cloud.sell_addresses(1)
    assert cloud_engine.up(blueprint, print, deadline=DEADLINE).digest == blueprint.digest
    assert stacks.checkpoint("acme").pending == ()
    assert cloud_engine.preview(blueprint, print).changes == ()
    assert cloud.bought() == ["server", "address"]


CONTROLLER = """
import os, sys
from datetime import timedelta
from pathlib import Path
from blueprint.document import Blueprint
from tests.support.pulumi_engine import pulumi_engine
blueprint = Blueprint.model_validate_json(Path(sys.argv[1]).read_text())
engine = pulumi_engine(os.environ, Path(sys.argv[2]))
if __name__ == "__main__":
    engine.up(blueprint, lambda line: print(line, flush=True), deadline=timedelta(minutes=2))
"""
