"""One run of a playbook against one host, in a private directory that is removed afterwards."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import ansible_runner
from ansible_runner.interface import init_runner

from controlplane.ansible import process
from controlplane.ansible.errors import Failure, explain
from controlplane.ansible.faults import NOT_RUN
from controlplane.ansible.host_fence import PROGRAM
from controlplane.ansible.private_directory import (
    default_root,
    environment_mark,
    private_directory,
)
from controlplane.reconciler.cancellation import is_cancelled
from controlplane.reconciler.faults import OPERATION_ENDED
from controlplane.reconciler.ports import Progress
from kit.faults import Fault
from kit.files import PRIVATE, write
from kit.inherited import inherited

RESULTS = ("runner_on_ok", "runner_on_failed", "runner_on_skipped", "runner_on_unreachable")
"""Events of Ansible at the end of a task."""
CENSORED = "hidden, since the task handles secrets; see /var/log on the host"


@dataclass(frozen=True)
class Playbook:
    """A playbook with its variables and deadline."""

    path: Path
    variables: dict[str, Any]
    secrets: dict[str, Any] = field(repr=False)
    deadline: timedelta
    private_root: Path | None = None


@dataclass(frozen=True)
class Connection:
    """The host it runs on, as root."""

    name: str
    address: str
    known_host: str
    private_key: str = field(repr=False)
    fence: int | None = None
    """The token that each command has to pass the host's fence with; None: they pass none."""
    fence_program: str = PROGRAM


PLAYBOOK = (sys.executable, "-P", "-m", process.__name__)
"""In place of `ansible-playbook`; without the directory of the playbooks in its path."""
REASON_LOST = "can be reached over SSH"
"""Ansible's message without a reason, if ssh has closed its input but not ended yet, such as
after a refused login. With a reason the message contains `ssh`."""

OF_THE_RUNNER = ("ANSIBLE_", "AWX_", "RUNNER_", "ORIGINAL_STDOUT_CALLBACK")
"""Beginnings of the variables that ansible-runner sets."""


def _never() -> bool:
    return False


def run_playbook(
    playbook: Playbook,
    connection: Connection,
    progress: Progress,
    *,
    cancelled: Callable[[], bool] = _never,
) -> int:
    """Run a playbook; return the number of changed tasks.

    `cancelled` is polled about every second, and ends the run at once; the next one completes it.
    When a person cancels the operation, the task that runs is finished first.

    Secrets reach Ansible by files (0600, in memory where the machine has a memory file system)
    and never by arguments or environment. Raises a fault of this package. A run that fails
    without ssh's reason is repeated once.
    """
    try:
        return _run_once(playbook, connection, progress, cancelled)
    except Fault as fault:
        if REASON_LOST not in str(fault):
            raise
    return _run_once(playbook, connection, progress, cancelled)


def _run_once(
    playbook: Playbook,
    connection: Connection,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> int:
    events = Events(connection.name, progress)
    with private_directory(playbook.private_root or default_root()) as private:
        _write_inputs(private, playbook, connection)
        environment = _environment(private, playbook.path.parent)
        runner = init_runner(
            private_data_dir=str(private),
            project_dir=str(playbook.path.parent),
            playbook=str(playbook.path),
            inventory=str(private / "inventory"),
            envvars=environment,
            event_handler=events.handle,
            cancel_callback=lambda: cancelled() or events.is_boundary(cancelled=is_cancelled()),
            quiet=True,
            timeout=max(1, int(playbook.deadline.total_seconds())),
            settings={"pexpect_timeout": 1, "suppress_env_files": True},
            suppress_env_files=True,
        )
        runner.config.env = _without_inherited(runner.config.env, environment)
        runner.config.command = [*PLAYBOOK, *runner.config.command[1:]]
        runner.run()
        if runner.status == "successful":
            return events.changed
        raise _error(runner, events, playbook, connection)


class Events:
    """Turns Ansible's events into progress lines, and stores the failure."""

    def __init__(self, host: str, progress: Progress) -> None:
        self._host = host
        self._progress = progress
        self._waits_for = ""
        self._finished = 0
        """Tasks that have a result."""
        self._finished_when_cancelled: int | None = None
        self.changed = 0
        self.failure: Failure | None = None

    def handle(self, event: dict[str, Any]) -> bool:
        """Handle one event. Returns False, so that ansible-runner does not write it to a file."""
        data = event.get("event_data") or {}
        kind = event.get("event")
        if kind in RESULTS:
            self._finished += 1
        if kind == "runner_on_ok":
            result = data.get("res") or {}
            state = "changed" if result.get("changed") else "ok"
            if "censored" in result:
                state = "done"
            self._progress(f"{self._host}: {state}: {_task(data)}")
        elif kind == "runner_item_on_ok" and "censored" not in (data.get("res") or {}):
            self._progress(f"{self._host}: done: {_task(data)}: {_item(data.get('res') or {})}")
        elif kind == "runner_retry":
            self._wait(f"{_task(data)}: {_message(data.get('res') or {})}")
        elif kind == "runner_on_unreachable":
            self._fail(data, unreachable=True)
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            self._fail(data, unreachable=False)
        elif kind == "playbook_on_stats":
            self.changed = int((data.get("changed") or {}).get(self._host, 0))
        return False

    def is_boundary(self, *, cancelled: bool) -> bool:
        """Return whether the task has ended that ran when the operation was cancelled."""
        if not cancelled:
            return False
        if self._finished_when_cancelled is None:
            self._finished_when_cancelled = self._finished
        return self._finished > self._finished_when_cancelled

    def _wait(self, reason: str) -> None:
        """Report what is tried again, once for each reason."""
        if reason != self._waits_for:
            self._progress(f"{self._host}: waiting: {reason}")
        self._waits_for = reason

    def _fail(self, data: dict[str, Any], *, unreachable: bool) -> None:
        message = _message(data.get("res") or {})
        self.failure = Failure(_task(data), message, unreachable=unreachable)
        state = "unreachable" if unreachable else "failed"
        self._progress(f"{self._host}: {state}: {_task(data)}: {message}")


def _task(data: dict[str, Any]) -> str:
    return str(data.get("task") or "?")


def _item(result: dict[str, Any]) -> str:
    return str(result.get("_ansible_item_label") or result.get("item") or "?")


def _message(result: dict[str, Any]) -> str:
    """The module's message; for a loop, the messages of its items."""
    if "censored" in result:
        return CENSORED
    texts = [result.get("msg")]
    texts += [_without_traceback(str(result.get(key) or "")) for key in ("stderr", "module_stderr")]
    for item in result.get("results") or []:
        if item.get("failed"):
            texts.append(_message(item))
    return " ".join(str(text).strip() for text in texts if text) or "no reason was given"


def _without_traceback(output: str) -> str:
    """The output of a program; of a Python traceback only its last line."""
    before, marked, _ = output.partition("Traceback (most recent call last)")
    return f"{before} {output.strip().splitlines()[-1]}" if marked else output


def _error(
    runner: ansible_runner.Runner, events: Events, playbook: Playbook, connection: Connection
) -> Fault:
    where = f"host/{connection.name}"
    if runner.status == "timeout":
        return OPERATION_ENDED(reason=f"it took longer than {playbook.deadline}", where=where)
    if runner.status == "canceled":
        reason = "it was cancelled" if is_cancelled() else "the control plane was asked to stop"
        return OPERATION_ENDED(reason=reason, where=where)
    if events.failure is not None:
        return explain(events.failure, connection.name)
    return NOT_RUN(status=runner.rc, reason=_last_lines(runner), where=where)


def _last_lines(runner: ansible_runner.Runner) -> str:
    with runner.stdout as stdout:
        lines = [line.strip() for line in stdout.read().splitlines() if line.strip()]
    return " ".join(lines[-3:]) or "it printed nothing"


def _write_inputs(private: Path, playbook: Playbook, connection: Connection) -> None:
    (private / "tmp").mkdir(mode=0o700)
    variables = private / "inventory" / "host_vars" / connection.name
    variables.mkdir(parents=True, mode=0o700)
    key = private / "key"
    known_hosts = private / "known_hosts"
    write(key, connection.private_key.rstrip("\n") + "\n", mode=PRIVATE)
    write(known_hosts, connection.known_host.rstrip("\n") + "\n", mode=PRIVATE)
    host: dict[str, Any] = {
        "ansible_host": connection.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": " ".join(
            [
                f"-o UserKnownHostsFile={known_hosts}",
                f"-o HostKeyAlias={connection.name}",
                "-o GlobalKnownHostsFile=/dev/null",
                "-o StrictHostKeyChecking=yes",
                "-o IdentitiesOnly=yes",
                "-o PasswordAuthentication=no",
            ]
        ),
    }
    if connection.fence is not None:
        host |= {"host_fence": connection.fence, "host_fence_program": connection.fence_program}
    inventory = {"mail_hosts": {"hosts": {connection.name: host}}}
    write(private / "inventory" / "hosts.json", json.dumps(inventory), mode=PRIVATE)
    for name, values in (("host", playbook.variables), ("secrets", playbook.secrets)):
        write(variables / f"{name}.json", json.dumps(_literal(values)), mode=PRIVATE)


def _literal(value: Any) -> Any:
    """Mark each text as no template: the local part of an address may be `{{secrets}}`."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(inner) for inner in value]
    return value


def _without_inherited(variables: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return what was given and what Ansible's runner sets: it copies this process's variables."""
    return {
        name: text
        for name, text in variables.items()
        if name in given or name.startswith(OF_THE_RUNNER)
    }


def _environment(private: Path, playbooks: Path) -> dict[str, str]:
    """The environment of Ansible: tools of this interpreter's directory come first."""
    name, value = environment_mark(private)
    return {
        **inherited(),
        name: value,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "ANSIBLE_CONFIG": str(playbooks / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(private / "c"),
        "LC_ALL": "C.UTF-8",
    }
