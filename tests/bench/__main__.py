"""`make bench`: measures the main job; results in build/bench.json.

Every figure is of this machine and this run. Ratios are against the named peer in the same run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from blueprint.document import Blueprint
from cli import down, up, world
from controlplane.provisioning.engine import PulumiEngine
from tools.places import checkout, state_dir

TENANT = "acme"
RUNS = 5
DEADLINE = timedelta(minutes=5)


@dataclass
class Figure:
    """One line of the result."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None


def main() -> None:
    """Bring a world up where none runs, measure, print and write."""
    joined = world.is_up()
    figures: list[Figure] = []
    try:
        up.start()
        environment = {**os.environ, **world.environment()}
        world.play_owner(("acme.example",))
        figures += to_ready(environment)
        figures += without_change(environment)
        figures += memory()
    finally:
        if not joined:
            down.stop()
    place = checkout() / "build" / "bench.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    for figure in figures:
        against = f"  {figure.ratio:.2f} of {figure.peer}" if figure.ratio else ""
        print(f"{figure.name:<44} {figure.value:>9.2f} {figure.unit}{against}")


def to_ready(environment: dict[str, str]) -> list[Figure]:
    """Measure from the tenant file to Ready, and each operation on the way."""
    penguin(environment, "delete", "tenant", TENANT, "--yes", "--wait", check=False)
    started = time.monotonic()
    penguin(environment, "apply", "-f", "tenants/acme.yaml")
    penguin(environment, "wait", "tenant", TENANT, "--for=condition=Ready", "--timeout=600s")
    figures = [Figure("tenant file to Ready", time.monotonic() - started, "s")]
    for operation in operations(environment):
        if operation.get("started_at") and operation.get("finished_at"):
            begun = datetime.fromisoformat(operation["started_at"])
            ended = datetime.fromisoformat(operation["finished_at"])
            name = f"  {operation['phase']}: {operation.get('outcome')}"
            figures.append(Figure(name, (ended - begun).total_seconds(), "s"))
    return figures


def without_change(environment: dict[str, str]) -> list[Figure]:
    """Measure `pulumi up` on a tenant that is Ready: by hand, against the reconciler's engine."""
    command = ["pulumi", "up", "-s", TENANT, "--yes", "--skip-preview"]
    by_hand = fastest(lambda: run(command, environment))
    engine = PulumiEngine(environment=environment, root=state_dir() / "pulumi" / "bench")
    blueprint = Blueprint.model_validate_json(penguin(environment, "render", TENANT))
    ours = fastest(lambda: engine.up(blueprint, lambda _: None, deadline=DEADLINE))
    return [
        Figure("pulumi up without change, by hand", by_hand, "s"),
        Figure("the same by the reconciler's engine", ours, "s", "by hand", ours / by_hand),
    ]


def memory() -> list[Figure]:
    """Measure the proportional set size of the idle control plane with all it forked."""
    pid = world.control_plane_pid()
    total = sum(pss(process) for process in tree(pid)) if pid else 0.0
    return [Figure("memory of the idle control plane", total, "MB", "goal of 250 MB", total / 250)]


def operations(environment: dict[str, str]) -> list[dict[str, Any]]:
    """Return the tenant's operations, oldest first."""
    said = penguin(environment, "get", "operations", "--tenant", TENANT, "-o", "json")
    return list(reversed(json.loads(said)))


def fastest(act: Any) -> float:
    """Return the seconds of the fastest of some runs: the least disturbed one."""
    times = []
    for _ in range(RUNS):
        started = time.monotonic()
        act()
        times.append(time.monotonic() - started)
    return min(times)


def penguin(environment: dict[str, str], *arguments: str, check: bool = True) -> str:
    """Run one of our commands and return what it printed."""
    return run([sys.executable, "-m", "cli.main", *arguments], environment, check=check)


def run(command: list[str], environment: dict[str, str], *, check: bool = True) -> str:
    """Run a command in the checkout."""
    return subprocess.run(
        command, cwd=checkout(), env=environment, capture_output=True, text=True, check=check
    ).stdout


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from tree(int(child))


def pss(pid: int) -> float:
    """Return the proportional set size of a process in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
