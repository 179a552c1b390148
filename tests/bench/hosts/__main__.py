"""Measures hosts of the lab; replaces the lines in build/bench.json that begin with `hosts:`.

`--hosts 2 --mails 20` shows that it runs. Figures are of this machine and this run.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from composition.embedded import DATABASE, servers
from controlplane.mailboxes.schemas import NewToken
from lab import cgroups, network
from lab.receiver import DOMAIN as RECEIVER
from lab.running import required
from sandbox import down, local, up
from tests.bench.figures import Figure, store
from tests.bench.hosts.controller import Costs, watched
from tests.bench.hosts.load import come_in, go_out
from tests.bench.hosts.small_guest import SmallGuest, small
from tests.bench.sandboxed import penguin
from tests.support import plain_http
from tests.support.waiting import wait_for

PREFIX = "hosts"
ONE, MANY = "bench", "benches"
MEMORY_MB, GOAL_SET_SIZE = 2048, 700.0
"""Of a host as the smallest that Mailu is for; what its processes may have together."""
GOAL_UNCHANGED = 15.0
"""Seconds for a run that changes nothing, on one host."""
GOAL_PARALLEL, TEN = 6.0, 10
"""Times as long as one host takes, for ten hosts on two cores."""
SECONDS = 3600.0
AGAIN = "update oltp.hosts set applied_digest = null where tenant_id = any(%s)"
DUE = "update oltp.schedule set due_at = now() where tenant_id = any(%s)"
PASS = """
select 1 from oltp.schedule join oltp.tenants on id = tenant_id
where name = %s and lease_owner is not null
"""
DONE = """
select extract(epoch from max(finished_at) - min(started_at))::float from oltp.operations
where tenant = any(%s) and kind = 'configure' and started_at > %s and outcome = 'succeeded'
having count(*) >= %s
"""


def main() -> None:
    """Start a sandbox, measure, and print and store the results."""
    parser = argparse.ArgumentParser(prog="make bench-hosts")
    parser.add_argument("--hosts", type=int, default=TEN, help="that are configured in parallel")
    parser.add_argument("--mails", type=int, default=500, help="in, and as many out")
    parser.add_argument("--mail", choices=["none", "mailu"], default="mailu", help="of all hosts")
    arguments = parser.parse_args()
    assert not local.is_up(), "a sandbox of this checkout runs: `make down`"
    try:
        up.start()
        local.stop_control_plane()
        allowed = str(2 * arguments.mails + 50)
        local.start_control_plane({"PENGUIN_HOSTS__MESSAGES_A_DAY": allowed})
        local.wait_for_receiver()
        local.prepare_providers([f"{tenant}.example" for tenant in (ONE, MANY)])
        postgres, _ = servers()
        with psycopg.connect(postgres.dsn(DATABASE), autocommit=True) as database:
            figures = measured(database, arguments.hosts, arguments.mails, arguments.mail)
    finally:
        down.stop()
    store(figures, PREFIX)
    for figure in figures:
        comparison = f"  {figure.ratio:.2f} of {figure.peer}" if figure.ratio else ""
        print(f"{figure.name:<60} {figure.value:>9.2f} {figure.unit}{comparison}")


def measured(database: psycopg.Connection[Any], hosts: int, mails: int, mail: str) -> list[Figure]:
    """Measure one host, which is small, and then many."""
    environment = {**os.environ, **local.environment()}
    figures: list[Figure] = []
    with watched() as costs:
        apply(environment, ONE, 1, mail)
        with limited() as guest:
            first = configured(database, ONE, "epoch", 1)
            wait_ready(environment, ONE)
            if mail == "mailu":
                figures += with_mail(environment, guest, mails)
    alone, alone_costs = unchanged(database, ONE, 1)
    apply(environment, MANY, hosts, mail)
    with watched() as many_costs:
        many = configured(database, MANY, "epoch", hosts)
    wait_ready(environment, MANY)
    again, again_costs = unchanged(database, MANY, hosts)
    goal, many_of = f"goal of {GOAL_UNCHANGED:.0f} s", f"one host (goal of {GOAL_PARALLEL:.0f})"
    return [
        *figures,
        figure("first configuration of one host", first, "s"),
        figure("run without change, one host", alone, "s", goal, alone / GOAL_UNCHANGED),
        *of_costs("run without change, one host", alone_costs, 1),
        figure(f"first configuration of {hosts} hosts", many, "s", many_of, many / first),
        *of_costs(f"first configuration of {hosts} hosts", many_costs, hosts),
        figure(f"run without change, {hosts} hosts", again, "s", many_of, again / alone),
        *of_costs(f"run without change, {hosts} hosts", again_costs, hosts),
        figure("most memory of the controller, one host", costs.peak, "MB"),
    ]


def figure(
    name: str, value: float, unit: str, peer: str | None = None, ratio: float | None = None
) -> Figure:
    """Return a line of these measurements."""
    return Figure(f"{PREFIX}: {name}", value, unit, peer, ratio)


def of_costs(name: str, costs: Costs, hosts: int) -> list[Figure]:
    """Return what the controller needed."""
    return [
        figure(f"{name}: processor time a host", costs.cpu_seconds / hosts, "s"),
        figure(f"{name}: most memory of the controller", costs.peak, "MB"),
    ]


def apply(environment: dict[str, str], tenant: str, hosts: int, mail: str) -> None:
    """Apply a document with hosts that are alike."""
    zone = f"{tenant}.example"
    document = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": tenant},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": [
                {"name": f"mx{number}", "addresses": 2, "zone": zone, "mail": mail}
                for number in range(1, hosts + 1)
            ],
            "domains": [{"name": zone}],
            "mailboxes": [{"address": f"sales@{zone}"}],
            "sending": {"postal_address": "Bench Inc., 1 Main Street, Springfield"},
        },
    }
    penguin(environment, "apply", "-f", "-", stdin=json.dumps(document))


def wait_ready(environment: dict[str, str], tenant: str) -> None:
    """Wait until a tenant is Ready."""
    timeout = f"--timeout={SECONDS:.0f}s"
    penguin(environment, "wait", "tenant", tenant, "--for=condition=Ready", timeout)


def configured(database: psycopg.Connection[Any], tenant: str, since: object, hosts: int) -> float:
    """Wait until each host was configured since; return the seconds from first to last."""

    def look() -> Sequence[Any] | None:
        return database.execute(DONE, ([tenant], since, hosts)).fetchone()

    found = wait_for(look, seconds=SECONDS, longest_pause=0.5)
    assert found is not None
    return float(found[0])


def unchanged(database: psycopg.Connection[Any], tenant: str, hosts: int) -> tuple[float, Costs]:
    """Run the playbooks on hosts that are as they should be."""
    # A pass that is under way would say when the next one is due, in place of us.
    wait_for(lambda: database.execute(PASS, [tenant]).fetchone() is None, seconds=SECONDS)
    row = database.execute(
        "select id, now() from oltp.tenants where name = %s", [tenant]
    ).fetchone()
    assert row is not None
    number, now = row
    with watched() as costs:
        database.execute(AGAIN, [[number]])
        database.execute(DUE, [[number]])
        return configured(database, tenant, now, hosts), costs


@contextmanager
def limited() -> Iterator[SmallGuest]:
    """Limit the only host's memory as soon as it has booted."""
    lab = required(local.lab_dir())

    def booted() -> int | None:
        listed = plain_http.get(f"{lab.hostwinds_url}/_lab/portal/servers").json()
        number = int(listed[0]["serviceid"]) if listed else None
        group = cgroups.root() / f"{network.PREFIX}{number}"
        return number if number is not None and cgroups.pids(group) else None

    number = wait_for(booted, seconds=SECONDS, longest_pause=0.1)
    assert number is not None
    with small(number, MEMORY_MB) as guest:
        yield guest


def with_mail(environment: dict[str, str], guest: SmallGuest, mails: int) -> list[Figure]:
    """Let mail come in and go out of a small host."""
    lab, box = required(local.lab_dir()), f"sales@{ONE}.example"
    guest.take()
    made = penguin(environment, "mailboxes", "token", box, "--name", "Bench", "-o", "json")
    token = NewToken.model_validate_json(made).token
    [server] = plain_http.get(f"{lab.hostwinds_url}/_lab/portal/servers").json()
    ip = str(server["addresses"][0])
    come_in(lab, ip, box, mails)
    go_out(lab, ip, f"mx1.{ONE}.example", box, token, f"alice@{RECEIVER}", mails)
    size = guest.set_size()
    goal = f"goal of {GOAL_SET_SIZE:.0f} MB"
    name = f"host of {MEMORY_MB} MB after {mails} mails in and {mails} out"
    return [
        figure(f"{name}: processes killed", guest.killed(), "processes"),
        figure(f"{name}: proportional set size", size, "MB", goal, size / GOAL_SET_SIZE),
        figure(f"{name}: most memory, page cache included", guest.peak(), "MB"),
    ]


if __name__ == "__main__":
    main()
