"""What a host runs that loses Mailu: it counts the mails before it removes them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest
import yaml

from kit.paths import checkout

TASKS = checkout() / "playbooks" / "roles" / "mailu" / "tasks" / "leave.yml"
Leave = Callable[[int], subprocess.CompletedProcess[str]]


@pytest.fixture
def mailu(tmp_path: Path) -> Path:
    """The directory of a Mailu that has three mails, one of them in our own mailbox."""
    mailu = tmp_path / "mailu"
    for name in ("ann@acme.example/cur/1", "ann@acme.example/.Old/new/2", "penguinmails@a/new/3"):
        mail = mailu / "mail" / name
        mail.parent.mkdir(parents=True)
        mail.touch()
    (mailu / "compose.yml").touch()
    return mailu


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Programs that come before the machine's: a Docker that does nothing."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text("#!/bin/sh\n")
    (programs / "docker").chmod(0o755)
    return programs


@pytest.fixture
def leave(mailu: Path, programs: Path) -> Leave:
    """Runs the first task with the number of mails that may be destroyed."""
    [task, *_] = yaml.safe_load(TASKS.read_text())
    template = jinja2.Template(task["ansible.builtin.shell"])

    def run(discards: int) -> subprocess.CompletedProcess[str]:
        variables = {"mailu_directory": mailu, "mailu_attempts": 1, "mailu_pause": 0}
        script = template.render(variables, host={"discards": discards})
        path = f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            ("sh", "-c", script), env={"PATH": path}, capture_output=True, text=True, check=False
        )

    return run


def test_mailu_goes_with_as_many_mails_as_may_be_destroyed(leave: Leave, mailu: Path) -> None:
    assert leave(2).stdout == "left\n"
    assert not mailu.exists()


def test_one_mail_more_keeps_mailu_and_is_said(leave: Leave, mailu: Path) -> None:
    refused = leave(1)
    assert refused.returncode == 1
    assert refused.stderr == "Mailu holds 2 mails, and 1 may be destroyed\n"
    assert (mailu / "compose.yml").exists()


def test_mails_that_cannot_be_counted_are_kept(leave: Leave, mailu: Path, programs: Path) -> None:
    (programs / "find").write_text(
        '#!/bin/sh\n[ "$1" != mail ] || exit 1\nexec /usr/bin/find "$@"\n'
    )
    (programs / "find").chmod(0o755)
    refused = leave(2)
    assert refused.stderr == "the mails in Mailu cannot be counted\n"
    assert (mailu / "mail").exists()


def test_host_that_has_lost_mailu_already_is_left_alone(leave: Leave, mailu: Path) -> None:
    leave(2)
    again = leave(0)
    assert (again.returncode, again.stdout) == (0, "")


@pytest.mark.parametrize(("mode", "is_mail"), [(0o600, False), (0o700, True)])
def test_file_that_a_power_failure_left_is_no_mail_that_was_accepted(
    leave: Leave, mailu: Path, *, mode: int, is_mail: bool
) -> None:
    file = mailu / "mailqueue" / "incoming" / "4jdgxY5HzVz6XpZ"
    file.parent.mkdir(parents=True)
    file.touch()
    file.chmod(mode)
    os.utime(file, (0, 0))
    tried = leave(2)
    assert tried.returncode == is_mail
    assert ("mail that was accepted is not delivered yet" in tried.stderr) == is_mail
    assert mailu.exists() == is_mail
