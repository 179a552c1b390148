"""Runs of the real Ansible on this machine, with playbooks that change temporary files only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controlplane.ansible import faults
from controlplane.ansible.run import PLAYBOOK, REASON_LOST, Connection, Playbook, run_playbook
from controlplane.reconciler.cancellation import cancellable
from controlplane.reconciler.faults import OPERATION_ENDED
from kit.faults import Fault
from tests.support.faults import assert_shows, fault_shown
from tests.support.waiting import SECONDS, wait_for

SECRET = "word-that-nobody-may-see"
REFUSED_SSH = r"""#!/bin/sh
if mkdir "$0.1" || mkdir "$0.2" || mkdir "$0.3"; then  # slow to end in all of Ansible's attempts
  exec 0<&-
  exec tail -f /dev/null
fi
cat > /dev/null  # one that ends while it is written to may be slow to end once more
echo "root@127.0.0.1: Permission denied (publickey)." >&2
exit 255
"""
ANCESTORS = (
    "p=$$; while [ $p -gt 1 ]; do cat /proc/$p/cmdline /proc/$p/environ; "
    "p=$(awk '/^PPid/ { print $2 }' /proc/$p/status); done"
)
"""Prints the arguments and variables of a shell and of all that it was started by."""
CONFIG = Path(__file__).parents[3] / "playbooks" / "ansible.cfg"


class Run:
    """One run of tasks on this machine: `local` stands in for SSH."""

    def __init__(self, tmp_path: Path) -> None:
        self.lines: list[str] = []
        self.root = tmp_path / "private runs"
        self.root.mkdir()
        self._directory = tmp_path / "play books"
        self._directory.mkdir()
        shutil.copy(CONFIG, self._directory)

    def tasks(self, *tasks: dict[str, Any], deadline: float = SECONDS, **options: Any) -> int:
        play = {"hosts": "mail_hosts", "gather_facts": False, "tasks": list(tasks)}
        path = self._directory / "site.yml"
        path.write_text(json.dumps([play]))
        variables = {"word": "shown", **options.pop("variables", {})}
        if options.pop("local", True):
            variables |= {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
            }
        return run_playbook(
            Playbook(
                path=path,
                variables=variables,
                secrets={"secret_word": SECRET},
                deadline=timedelta(seconds=deadline),
                private_root=self.root,
            ),
            Connection(name="mx1", address="127.0.0.1", known_host="", private_key="KEY"),
            self.lines.append,
            **options,
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def task(name: str, module: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, f"ansible.builtin.{module}": arguments}


def test_run_inherits_no_variable_but_the_usual_ones(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTWINDS_API_KEY", SECRET)
    monkeypatch.setenv("PENGUIN_DATABASE__DSN", SECRET)
    monkeypatch.setenv("PENGUIN_PART", "part-that-runs-it")
    seen = tmp_path / "seen"
    run.tasks(task("Show the variables", "shell", cmd=f"({ANCESTORS}) > {seen}"))
    text = seen.read_text()
    assert "ANSIBLE_HOME=" in text
    assert "PENGUIN_PART=part-that-runs-it" in text
    assert SECRET not in text


def test_run_from_a_directory_with_a_space_counts_changes(run: Run, tmp_path: Path) -> None:
    create = task("Make a folder", "file", path=str(tmp_path / "made"), state="directory")

    assert run.tasks(create) == 1
    assert run.tasks(create) == 0
    assert run.lines == ["mx1: changed: Make a folder", "mx1: ok: Make a folder"]


def test_private_directory_is_removed_after_the_run(run: Run) -> None:
    run.tasks(task("Say", "debug", msg="hello"))
    with pytest.raises(Fault):
        run.tasks(task("Fail", "fail", msg="no"))

    assert list(run.root.iterdir()) == []


def test_secret_is_in_no_line_argument_or_environment(run: Run, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    used = task("Use the secret", "copy", content="{{ secret_word }}", dest=str(tmp_path / "used"))

    run.tasks(
        used | {"no_log": True},
        task("Look around", "shell", cmd=f"({ANCESTORS}) > {seen}"),
    )

    assert (tmp_path / "used").read_text() == SECRET
    assert SECRET not in "\n".join(run.lines)
    text = seen.read_bytes().decode(errors="replace")
    assert PLAYBOOK[-1] in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "address",
    ["{{word}}@acme.example", "{{'/*'|fileglob}}@acme.example", "{%include'site.yml'%}@a.example"],
)
def test_text_that_a_tenant_wrote_is_no_template(run: Run, tmp_path: Path, address: str) -> None:
    used = task("Use it", "copy", content="{{ box.address }}", dest=str(tmp_path / "used"))

    run.tasks(used, variables={"box": {"address": address}})

    assert (tmp_path / "used").read_text() == address


def test_secret_of_a_failed_task_is_hidden(run: Run) -> None:
    failing = task("Use the secret", "fail", msg="{{ secret_word }}") | {"no_log": True}

    with pytest.raises(Fault) as caught:
        run.tasks(failing)

    assert_shows(caught.value, faults.TASK_FAILED, task="Use the secret", reason=...)
    assert SECRET not in str(caught.value) + "\n".join(run.lines)


def test_failed_task_is_shown_with_the_message_of_its_module(run: Run) -> None:
    with pytest.raises(Fault) as caught:
        run.tasks(
            task("Fill the disk", "fail", msg="write: No space left on device"),
            task("Never reached", "debug", msg="x"),
        )

    values = {"task": "Fill the disk", "reason": "write: No space left on device"}
    assert_shows(caught.value, faults.DISK_FULL, **values)
    assert run.lines == ["mx1: failed: Fill the disk: write: No space left on device"]


def test_run_that_hangs_is_ended_at_the_deadline(run: Run, tmp_path: Path) -> None:
    pipe, number = tmp_path / "pipe", tmp_path / "number"
    os.mkfifo(pipe)
    hang = task("Hang", "shell", cmd=f"echo $$ > {number}; exec cat {pipe}")

    for seconds in (5, 20, 80):  # until it is long enough to reach the task
        with pytest.raises(Fault) as caught:
            run.tasks(hang, deadline=seconds)
        deadline = timedelta(seconds=seconds)
        assert_shows(caught.value, OPERATION_ENDED, reason=f"it took longer than {deadline}")
        if number.exists():
            break

    hanging = Path("/proc", number.read_text().strip(), "cmdline")
    assert not hanging.exists() or str(pipe) not in hanging.read_text()


def test_run_can_be_cancelled(run: Run) -> None:
    with pytest.raises(Fault) as caught:
        run.tasks(task("Never seen", "debug", msg="x"), cancelled=lambda: True)

    assert_shows(caught.value, OPERATION_ENDED, reason="the control plane was asked to stop")


def test_remains_of_a_dead_process_are_removed_by_the_next_run(run: Run) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    abandoned = run.root / f"penguin-run-{ended.pid}.1-x"
    abandoned.mkdir()
    worker = subprocess.Popen(
        ["/bin/sh", "-c", "read line"],
        stdin=subprocess.PIPE,
        env={"ANSIBLE_HOME": str(abandoned / "tmp")},
    )

    run.tasks(task("Say", "debug", msg="hello"))

    assert worker.wait(SECONDS) == -signal.SIGKILL
    assert worker.stdin is not None
    worker.stdin.close()
    assert list(run.root.iterdir()) == []


def test_host_that_does_not_answer_is_unreachable(run: Run) -> None:
    with pytest.raises(Fault) as caught:
        run.tasks(task("Ping", "ping") | {"vars": {"ansible_port": 1}}, local=False)

    assert_shows(caught.value, faults.UNREACHABLE, reason=...)
    assert caught.value.where == "host/mx1"


def test_refused_login_whose_reason_ansible_lost_is_shown_by_a_second_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(REFUSED_SSH)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    ping = task("Ask", "ping") | {"vars": {"ansible_python_interpreter": "/usr/bin/python3"}}

    with pytest.raises(Fault) as caught:
        run.tasks(ping, local=False)

    assert_shows(caught.value, faults.SSH_REFUSED, reason=...)
    assert [REASON_LOST in line for line in run.lines] == [True, False]


def test_playbook_that_ansible_cannot_read_is_a_fault(run: Run) -> None:
    with pytest.raises(Fault) as caught:
        run.tasks({"name": "No such module", "penguins_fly": {}})

    assert_shows(caught.value, faults.NOT_RUN, status=..., reason=...)


def test_cancelled_run_ends_after_the_task_that_runs(run: Run, tmp_path: Path) -> None:
    started, go, done = (tmp_path / name for name in ("started", "go", "done"))
    polls: list[bool] = []

    def polled() -> bool:
        polls.append(True)
        return False

    with cancellable() as cancelled:

        def cancel_during_the_first_task() -> None:
            wait_for(started.exists)
            cancelled.set()
            before = len(polls)
            wait_for(lambda: len(polls) > before + 1)
            go.touch()

        cancelling = threading.Thread(target=cancel_during_the_first_task)
        cancelling.start()
        wait = f"touch '{started}'; until [ -e '{go}' ]; do sleep 0.1; done; touch '{done}'"
        with fault_shown(OPERATION_ENDED, reason="it was cancelled"):
            run.tasks(
                task("first", "shell", cmd=wait),
                task("never ends by itself", "shell", cmd="while :; do sleep 1; done"),
                cancelled=polled,
            )
        cancelling.join()
    assert done.exists()
    assert "mx1: changed: first" in run.lines
