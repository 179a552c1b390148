#!/usr/bin/python3

"""Runs the containers of a Compose project as its files say.

Where `compose.yml` or `mailu.env`, or another file of the project, differs from what was started
last, Compose replaces the containers that they concern. A container that is older than one of the
files that only its start reads is restarted. Times and a digest are compared, so that a run that is
killed between two steps is completed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

ARGUMENTS = r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"""
"""Ansible writes them here: see "Modules" in playbooks/README.md."""
COMPOSE = "compose.yml"
APPLIED = ".applied"
"""File of the project: the digest of what was started last, and its services, one a line. Compose
itself takes a quarter of a second to read them."""
LABEL = "com.docker.compose."
PRESENT = {"running", "restarting"}
"""States of a container that Docker keeps up by itself."""
TIMEOUT_SECONDS = 600


Docker = Callable[..., str]
"""Runs a command with these arguments; returns what it prints."""


class DockerFailed(Exception):
    """A command of Docker failed; the message has its last line."""


class Container(NamedTuple):
    """One container of the project."""

    service: str
    state: str
    started: float
    """Seconds since the epoch."""


def docker(*arguments: str) -> str:
    """Return what a command prints; raises DockerFailed."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
    except FileNotFoundError:
        raise DockerFailed("there is no Docker") from None
    except subprocess.TimeoutExpired:
        raise DockerFailed(f"docker {arguments[0]} did not end in {TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise DockerFailed(lines[-1] if lines else f"docker {arguments[0]} failed")
    return done.stdout


def digest_of(project: Path, files: list[str]) -> str:
    """Return the digest of the files that Compose reads."""
    digest = hashlib.sha256()
    for name in files:
        content = (project / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def containers(project: str, call: Docker = docker) -> list[Container]:
    """Return the containers of a project."""
    numbers = call("ps", "-aq", "--filter", f"label={LABEL}project={project}").split()
    found = json.loads(call("inspect", *numbers)) if numbers else []
    return [
        Container(
            service=str(one["Config"]["Labels"].get(f"{LABEL}service", "")),
            state=str(one["State"]["Status"]),
            started=seconds(str(one["State"]["StartedAt"])),
        )
        for one in found
    ]


def seconds(stamp: str) -> float:
    """Return a time of Docker's (nanoseconds, UTC) in seconds since the epoch."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    moment = datetime.strptime(f"{whole}+0000", "%Y-%m-%dT%H:%M:%S%z")
    return moment.timestamp() + float(f"0.{fraction or 0}")


def newest_change(paths: list[str]) -> float:
    """Latest change (content or attributes) below the paths, in seconds since the epoch."""
    entries = [entry for path in paths for entry in (Path(path), *Path(path).rglob("*"))]
    return max((entry.lstat().st_ctime for entry in entries if entry.exists()), default=0.0)


def stale(found: list[Container], watch: dict[str, list[str]]) -> list[str]:
    """Return the services whose container started before one of its files changed."""
    return sorted(
        one.service
        for one in found
        if one.service in watch and one.started <= newest_change(watch[one.service])
    )


def is_complete(found: list[Container], services: set[str]) -> bool:
    """Return whether each service has a container, and no other has one."""
    states = {one.service: one.state for one in found}
    return set(states) == services and PRESENT.issuperset(states.values())


def store(project: Path, digest: str, services: set[str]) -> None:
    """Write what was started last, in one step."""
    new = project / f"{APPLIED}.new"
    new.write_text("\n".join([digest, *sorted(services)]))
    new.replace(project / APPLIED)


def started_last(project: Path) -> tuple[str, set[str]]:
    """Return the digest and the services of what was started last; none where nothing was.

    What an earlier version of this module has written has no services.
    """
    file = project / APPLIED
    digest, *services = file.read_text().split() if file.exists() else [""]
    return digest, set(services)


def run(
    project: Path,
    files: list[str],
    watch: dict[str, list[str]],
    check: bool,
    call: Docker = docker,
) -> Any:
    """Start and restart what differs; return the two lists of what was, or would be, done."""
    compose = ("compose", "--project-directory", str(project), "-f", str(project / COMPOSE))
    found = containers(project.name, call)
    digest = digest_of(project, files)
    applied, services = started_last(project)
    is_current = applied == digest and bool(services)
    if not is_current:
        services = set(call(*compose, "config", "--services").split())
    started: list[str] = []
    if not is_current or not is_complete(found, services):
        started = sorted(services)
        if not check:
            call(*compose, "up", "--detach", "--remove-orphans", "--quiet-pull")
            store(project, digest, services)
            found = containers(project.name, call)
    restarted = stale(found, watch)
    if restarted and not check:
        call(*compose, "restart", "--no-deps", *restarted)
    return {"changed": bool(started or restarted), "started": started, "restarted": restarted}


def result(project: Path, files: list[str], watch: dict[str, list[str]], check: bool) -> Any:
    """Return what was done, or why it could not be."""
    try:
        return run(project, files, watch, check)
    except (DockerFailed, OSError) as error:
        if check:  # before the first run there is neither Docker nor a file
            return {"changed": True}
        return {"failed": True, "msg": f"the containers of {project} are not started: {error}"}


def main() -> None:
    """Read the arguments and print the result."""
    given = json.loads(ARGUMENTS)
    done = result(
        Path(given["project"]), given["files"], given["watch"], given["_ansible_check_mode"]
    )
    print(json.dumps(done))


if __name__ == "__main__":
    main()
