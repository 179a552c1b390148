"""The first configuration of a host, interrupted in each role: a kill, then a power cut."""

from __future__ import annotations

import re
import time
from pathlib import Path

import yaml

from kit.paths import checkout
from tests.chaos.hosts.scene import LIMIT_SECONDS, Scene
from tests.support.waiting import wait_for

ROLES = ("base", "docker", "mailu", "inbound", "egress", "postfix", "outbound")
CHANGED = re.compile(r": changed: (.+)$")
MOMENT_SECONDS = 2.0
"""Within which a role is interrupted after its first change."""


def interrupt_each_role(scene: Scene) -> dict[str, list[str]]:
    """Interrupt the first configuration in each role; return the roles by what was done there.

    A role that was completed before its interruption has no change left: it is left out.
    """
    roles = _roles_of_tasks()
    done: dict[str, list[str]] = {"killed": [], "power cut": []}
    seen = 0
    while True:
        role, seen = _next_role(scene, roles, seen, done)
        if role is None:
            return done
        time.sleep(MOMENT_SECONDS * scene.rng.random())  # a moment in the middle of the role
        if role not in done["killed"]:
            done["killed"].append(role)
            scene.kill_control_plane()
        else:
            done["power cut"].append(role)
            scene.cut()
        scene.say(
            f"interrupted in {role}: {'power cut' if role in done['power cut'] else 'killed'}"
        )
        seen = len(scene.lines())


def _next_role(
    scene: Scene, roles: dict[str, str], seen: int, done: dict[str, list[str]]
) -> tuple[str | None, int]:
    """Wait for a change in a role that was not cut yet; None when the configuration has ended."""

    def look() -> tuple[str | None, int] | None:
        lines = scene.lines()
        for line in lines[seen:]:
            match = CHANGED.search(line)
            role = roles.get(match.group(1)) if match else None
            if role is not None and role not in done["power cut"]:
                return role, len(lines)
        if any(line.endswith("tasks changed something") for line in lines):
            return None, len(lines)
        return None

    found = wait_for(look, seconds=LIMIT_SECONDS, longest_pause=0.1)
    assert found is not None
    return found


def _roles_of_tasks() -> dict[str, str]:
    """Return the role of each task by its name; a name that several roles have is left out."""
    found: dict[str, set[str]] = {}
    for role in ROLES:
        for file in (checkout() / "playbooks/roles" / role / "tasks").glob("*.yml"):
            for name in _names(yaml.safe_load(Path(file).read_text())):
                found.setdefault(name, set()).add(role)
    return {name: role for name, owners in found.items() for role in owners if len(owners) == 1}


def _names(tasks: object) -> list[str]:
    names: list[str] = []
    if isinstance(tasks, list):
        for task in tasks:
            names += [str(task["name"])] if "name" in task else []
            for block in ("block", "rescue", "always"):
                names += _names(task.get(block))
    return names
