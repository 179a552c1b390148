"""`make bench`: measures the main job; results in build/bench.json.

Figures are valid for this machine and this run. Ratios compare with the named peer in the same run.
The bench creates its own tenant. It uses a sandbox that runs already, without changing the tenants
of that sandbox.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import psycopg

from blueprint.document import Blueprint
from composition.embedded import servers
from composition.phases import ROWS
from kit.paths import checkout, state_dir
from sandbox import down, local, up
from tests.bench.figures import Figure, store
from tests.bench.sandboxed import delete, listed, moment, penguin, pss, run, timed
from tests.support.processes import command, tree
from tests.support.pulumi_engine import pulumi_engine
from tests.support.waiting import wait_for

TENANT = "bench"
RUNS = 5
PAUSE_SECONDS = 0.001
"""Between two polls for the end of a measured pass."""
DEADLINE = timedelta(minutes=5)
GOALS_READY = {"bare base": 120.0, "golden layers": 75.0}
"""Seconds, by what hosts of the lab boot from: of golden layers all packages are installed."""
GOAL_MEMORY = 350.0
"""MB."""


def main() -> None:
    """Start a sandbox if none runs, measure, and print and store the results.

    Only a sandbox of its own is measured with golden layers, too.
    """
    was_up = local.is_up()
    figures: list[Figure] = []
    try:
        environment = start()
        figures += to_ready(environment, "bare base")
        figures += without_change(environment)
        figures += memory()
        if not was_up:
            down.stop()
            figures += to_ready(start(golden=True), "golden layers")
    finally:
        if was_up:
            delete({**os.environ, **local.environment()}, TENANT)
        else:
            down.stop()
    store(figures)
    for figure in figures:
        comparison = f"  {figure.ratio:.2f} of {figure.peer}" if figure.ratio else ""
        print(f"{figure.name:<44} {figure.value:>9.2f} {figure.unit}{comparison}")


def start(*, golden: bool = False) -> dict[str, str]:
    """Start a sandbox, unless one runs; return the environment of its commands."""
    up.start(golden=golden)
    local.prepare_providers((f"{TENANT}.example",))
    return {**os.environ, **local.environment()}


def to_ready(environment: dict[str, str], base: str) -> list[Figure]:
    """Measure the time from `apply` to Ready, in total and by phase."""
    delete(environment, TENANT)
    document = (checkout() / "tenants" / "acme.yaml").read_text().replace("acme", TENANT)
    started = time.monotonic()
    penguin(environment, "apply", "-f", "-", stdin=document)
    penguin(environment, "wait", "tenant", TENANT, "--for=condition=Ready", "--timeout=600s")
    total, goal = time.monotonic() - started, GOALS_READY[base]
    peer = f"goal of {goal:.0f} s from the {base}"
    figures = [Figure(f"tenant file to Ready, {base}", total, "s", peer, total / goal)]
    durations = {**by_conditions(environment), **by_operations(environment)}
    return figures + [
        Figure(f"  {base}, phase {row.name}", durations[row.name], "s") for row in ROWS
    ]


def by_operations(environment: dict[str, str]) -> dict[str, float]:
    """Sum up the durations of the operations of each phase."""
    durations: dict[str, float] = {}
    for operation in listed(environment, TENANT, "operations"):
        phase, ended = str(operation["phase"]), moment(operation["finished_at"])
        seconds = (ended - moment(operation["started_at"])).total_seconds()
        durations[phase] = durations.get(phase, 0) + seconds
    return durations


def by_conditions(environment: dict[str, str]) -> dict[str, float]:
    """Return how long each phase took: from the previous condition's transition to its own.

    For phases without operations this is the only measure.
    """
    transitions = {
        event["kind"].removesuffix("=True"): moment(event["at"])
        for event in listed(environment, TENANT, "events")
        if event["subject"] == "tenant" and event["kind"].endswith("=True")
    }
    return {
        row.name: (transitions[row.condition] - transitions[before.condition]).total_seconds()
        for before, row in pairwise(ROWS)
    }


def without_change(environment: dict[str, str]) -> list[Figure]:
    """Measure passes of a tenant that is Ready in comparison with `pulumi up` by hand."""
    pass_seconds = fastest(one_pass)
    command = ["pulumi", "up", "-s", TENANT, "--yes", "--skip-preview"]
    engine = pulumi_engine(environment, state_dir() / "pulumi" / "bench")
    blueprint = Blueprint.model_validate_json(penguin(environment, "render", TENANT))

    def by_engine() -> float:
        return timed(lambda: engine.up(blueprint, lambda _: None, deadline=DEADLINE))

    penguin(environment, "pause", TENANT, "--reason", "bench")  # no pass holds the stack meanwhile
    by_hand = fastest(lambda: timed(lambda: run(command, environment)))
    engine_seconds = fastest(by_engine)
    penguin(environment, "resume", TENANT, "--reason", "bench")
    peer = "pulumi up by hand"
    return [
        Figure("pulumi up without change, by hand", by_hand, "s"),
        Figure("the same by our engine", engine_seconds, "s", peer, engine_seconds / by_hand),
        Figure("reconcile without change", pass_seconds, "s", peer, pass_seconds / by_hand),
    ]


def one_pass() -> float:
    """Make the tenant due and return how long the reconciler held it."""
    postgres, _ = servers()
    query = (
        "select s.token, s.lease_owner is not null from oltp.schedule s "
        "join oltp.tenants t on t.id = s.tenant_id where t.name = %s"
    )
    with psycopg.connect(postgres.dsn("penguin"), autocommit=True) as admin:

        def state() -> tuple[int, bool]:
            row = admin.execute(query, [TENANT]).fetchone()
            assert row is not None
            return int(row[0]), bool(row[1])

        wait_for(lambda: not state()[1])
        before, _ = state()
        admin.execute(
            "update oltp.schedule set due_at = now() where tenant_id = "
            "(select id from oltp.tenants where name = %s)",
            [TENANT],
        )
        wait_for(lambda: state()[0] != before, longest_pause=PAUSE_SECONDS)
        return timed(lambda: wait_for(lambda: not state()[1], longest_pause=PAUSE_SECONDS))


def memory() -> list[Figure]:
    """Measure the proportional set size of supervisor and parts, and of the fork server."""
    pid = local.control_plane_pid()
    processes = list(tree(pid)) if pid else []
    forking = [process for process in processes if is_fork_server(process)]
    idle = sum(pss(process) for process in processes if process not in forking)
    goal = f"goal of {GOAL_MEMORY:.0f} MB"
    return [
        Figure("memory of supervisor and parts, idle", idle, "MB", goal, idle / GOAL_MEMORY),
        Figure("  and of the engine's fork server", sum(map(pss, forking)), "MB"),
    ]


def is_fork_server(pid: int) -> bool:
    """Return whether a process is the fork server or one of its workers."""
    return b"controlplane.pulumi.forks" in command(pid)


def fastest(measure: Callable[[], float]) -> float:
    """Return the seconds of the fastest of RUNS runs."""
    return min(measure() for _ in range(RUNS))


if __name__ == "__main__":
    main()
