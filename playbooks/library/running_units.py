#!/usr/bin/python3

"""Restarts units whose files are newer than the running service.

A handler would be lost when a run is killed between writing a file and the handler: the next run
sees no change. This module compares times instead: a unit that is not active, or that became
active before one of its files changed, is restarted. One call handles all units.

A unit of `units` that is masked is one whose configuration was not complete until now: `base` masks
the daemons of packages before it installs them. Units of `masked` must not run: masking alone does
not stop them.
"""

from __future__ import annotations

import fnmatch
import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

ARGUMENTS = r"""<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>"""
"""Ansible writes them here: see "Modules" in playbooks/README.md."""
FIELDS: dict[str, Any] = {"watch": [], "enabled": False}
"""Of an entry beside `names`, with their defaults."""
PROPERTIES = "Id,ActiveState,ActiveEnterTimestamp,ConditionResult,ConditionTimestamp,UnitFileState"
TIMEOUT_SECONDS = 90


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemctl", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )


class SystemctlFailed(Exception):
    """A systemctl command failed; the message has the reason."""


def _checked_systemctl(*arguments: str) -> None:
    """Run a systemctl command and wait until it is done; raises SystemctlFailed."""
    try:
        done = _systemctl(*arguments)
    except subprocess.TimeoutExpired:
        reason = f"systemctl {' '.join(arguments)}: not done after {TIMEOUT_SECONDS} s"
        raise SystemctlFailed(reason) from None
    if done.returncode:
        raise SystemctlFailed(done.stderr.strip() or f"systemctl {' '.join(arguments)} failed")


def observe(names: list[str]) -> dict[str, dict[str, str]]:
    """Properties of each unit, by name."""
    output = _systemctl("show", "--timestamp=us+utc", "-p", PROPERTIES, *names).stdout
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in output.split("\n\n")
        if block.strip()
    ]
    return dict(zip(names, blocks, strict=True))


def active_since(properties: dict[str, str]) -> float:
    """Seconds since the epoch at which the unit became active; 0 when it is not.

    A unit that its own conditions do not let start here (ConditionCapability of chrony in a
    container) is as it should be since they were last looked at.
    """
    if properties.get("ActiveState") == "active":
        stamp = properties.get("ActiveEnterTimestamp", "")
    elif properties.get("ActiveState") == "inactive" and properties.get("ConditionResult") == "no":
        stamp = properties.get("ConditionTimestamp", "")
    else:
        stamp = ""
    if not stamp:
        return 0.0
    activated = datetime.strptime(stamp.replace("UTC", "+0000"), "%a %Y-%m-%d %H:%M:%S.%f %z")
    return activated.timestamp()


def newest_change(paths: list[str]) -> float:
    """Latest change (content or attributes) below the paths, in seconds since the epoch."""
    entries = [entry for path in paths for entry in (Path(path), *Path(path).rglob("*"))]
    return max(
        (entry.lstat().st_ctime for entry in entries if entry.is_symlink() or entry.exists()),
        default=0.0,
    )


def watched_paths(name: str, patterns: list[str]) -> list[str]:
    """Paths of one unit: `{instance}` is the part between @ and the suffix of its name.

    In names of units a hyphen is escaped, since one that is not stands for a slash.
    """
    instance = name.partition("@")[2].rpartition(".")[0].replace(r"\x2d", "-")
    return [pattern.replace("{instance}", instance) for pattern in patterns]


def surplus_units(pattern: str, keep: set[str]) -> list[str]:
    """Active or enabled units that match a pattern and are not in `keep`."""
    shown = [
        _systemctl(command, "--plain", "--no-legend", f"--state={state}", pattern).stdout
        for command, state in (("list-units", "active"), ("list-unit-files", "enabled"))
    ]
    names = {line.split()[0] for line in "".join(shown).splitlines() if line.strip()}
    return sorted(n for n in names if fnmatch.fnmatchcase(n, pattern) and n not in keep)


def failure_text(names: list[str]) -> str:
    """The last log lines of the units that are not running."""
    log = subprocess.run(
        ["journalctl", "--no-pager", "-q", "-o", "cat", "-n", "12"]
        + [f"--unit={name}" for name in names],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"not running: {', '.join(names)}\n{log.stdout.strip()}"


def act(
    *, unmask: list[str], enable: list[str], end: list[str], stop: list[str], restart: list[str]
) -> None:
    """Run one systemctl command per verb."""
    _checked_systemctl("daemon-reload")
    if end:
        _checked_systemctl("stop", "--quiet", *end)
        _systemctl("reset-failed", *end)  # one that was masked while it was active has failed
    if restart:
        _systemctl("reset-failed", *restart)  # else what failed too often is not started again
    verbs = (
        (("unmask",), unmask),
        (("enable",), enable),
        (("disable", "--now"), stop),
        (("restart",), restart),
    )
    for verb, names in verbs:
        if names:
            _checked_systemctl(*verb, "--quiet", *names)


def run(
    units: list[dict[str, Any]], masked: list[str], only: str | None, check: bool
) -> dict[str, Any]:
    """Observe, decide, act once per verb, and observe again."""
    by_name = {name: completed(unit) for unit in units for name in unit["names"]}
    names = list(by_name)
    seen = observe([*names, *masked])
    end = [name for name in masked if seen[name].get("ActiveState") != "inactive"]
    restart = [
        name
        for name in names
        if active_since(seen[name]) <= newest_change(watched_paths(name, by_name[name]["watch"]))
        or active_since(seen[name]) == 0.0
    ]
    enable = [
        name
        for name in names
        if by_name[name]["enabled"] and seen[name].get("UnitFileState") != "enabled"
    ]
    unmask = [name for name in names if seen[name].get("UnitFileState") == "masked"]
    stop = surplus_units(only, set(names)) if only else []
    if (unmask or restart or enable or end or stop) and not check:
        try:
            act(unmask=unmask, enable=enable, end=end, stop=stop, restart=restart)
        except SystemctlFailed as failure:
            after = observe(names)
            inactive = [name for name in restart if active_since(after[name]) == 0.0]
            return {"failed": True, "msg": failure_text(inactive) if inactive else str(failure)}
    return {
        "changed": bool(unmask or restart or enable or end or stop),
        "restarted": restart,
        "enabled": enable,
        "stopped": end + stop,
    }


def completed(unit: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with all its fields; raises ValueError at one that does not exist."""
    if unknown := sorted(unit.keys() - {"names", *FIELDS}):
        raise ValueError(f"unknown: {', '.join(unknown)}")
    return FIELDS | unit


def main() -> None:
    """Read the arguments and print the result."""
    arguments = json.loads(ARGUMENTS)
    check = arguments["_ansible_check_mode"]
    masked = arguments.get("masked", [])
    print(json.dumps(run(arguments["units"], masked, arguments.get("only"), check)))


if __name__ == "__main__":
    main()
