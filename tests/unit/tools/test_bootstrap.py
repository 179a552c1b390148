"""Set-up can be killed, repeated and run twice at once; the machine's own settings stay."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import SECONDS
from tools import bootstrap
from tools.bootstrap import Environment, Machine

REFUSES = "exit 101\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A Debian that lacks the command `wanted`; the file `calls` records calls of apt and dpkg."""
    (tmp_path / "bin").mkdir()
    for name in ("apt-get", "dpkg"):
        program(tmp_path, name, "")
    return tmp_path


@pytest.fixture
def packages(machine: Path) -> Machine:
    return Machine(
        is_root=True,
        search=f"{machine / 'bin'}:/usr/bin:/bin",
        shared=machine / "shared",
        policy=machine / "policy-rc.d",
        apt_lists_lock=machine / "lists",
        packages={"wanted": "wanted-package"},
    )


def program(machine: Path, name: str, script: str) -> None:
    """Add a command to the machine that records its calls, and the policy at that time."""
    record = f'echo "{name} $*" >> {machine}/calls; cat {machine}/policy-rc.d >> {machine}/policies'
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{record}\n{script}\n")
    path.chmod(0o755)


def installing(machine: Path, then: str = "") -> None:
    """Make apt-get install `wanted`."""
    wanted = machine / "bin" / "wanted"
    script = f'case "$*" in *wanted-package) : > {wanted}; chmod 755 {wanted}; {then};; esac'
    program(machine, "apt-get", script)


def test_packages_installed_start_no_daemon_and_the_policy_is_removed(
    machine: Path, packages: Machine
) -> None:
    installing(machine, ":")
    packages.install()
    assert not packages.is_unready()
    assert not packages.policy.exists()
    assert (machine / "policies").read_text().endswith(REFUSES)


def test_policy_of_the_machine_is_kept(machine: Path, packages: Machine) -> None:
    installing(machine, ":")
    packages.policy.write_text("#!/bin/sh\nexit 0\n")
    packages.install()
    assert packages.policy.read_text() == "#!/bin/sh\nexit 0\n"


@pytest.mark.parametrize("complete", [False, True])
def test_policy_left_by_a_killed_set_up_is_removed_by_the_next(
    machine: Path, packages: Machine, complete: bool
) -> None:
    installing(machine, "kill -9 $PPID")
    child = os.fork()
    if child == 0:
        packages.install()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9
    assert packages.policy.exists()
    if not complete:
        (machine / "bin" / "wanted").unlink()
    installing(machine, ":")

    assert packages.is_unready()
    packages.install()

    assert not packages.policy.exists()
    assert not packages.is_unready()


def test_installation_interrupted_before_is_finished_first_also_with_a_dead_source(
    machine: Path, packages: Machine
) -> None:
    installing(machine, ":")
    program(machine, "dpkg", "exit 1")
    apt = machine / "bin" / "apt-get"
    apt.write_text(apt.read_text().replace('case "$*" in', 'case "$*" in update*) exit 100;;'))
    packages.install()
    calls = (machine / "calls").read_text().splitlines()
    assert [line.split()[:2] for line in calls] == [
        ["dpkg", "--force-confold"],
        ["apt-get", "update"],
        ["apt-get", "install"],
        ["apt-get", "install"],
    ]
    assert [line.split()[-1] for line in calls[2:]] == ["--fix-broken", "wanted-package"]


def test_installation_that_fails_has_a_remedy(machine: Path, packages: Machine) -> None:
    program(machine, "apt-get", "echo E: no such package; exit 100")
    with pytest.raises(bootstrap.SetupError, match="no such package") as failed:
        packages.install()
    assert failed.value.remedy
    assert not packages.policy.exists()


def test_commands_outside_of_the_path_of_root_are_found() -> None:
    assert {"/usr/sbin", "/sbin"} <= set(Machine().search.split(os.pathsep))


@pytest.mark.parametrize("lacks", [{"is_root": False}, {"search": "/nowhere"}])
def test_machine_that_cannot_install_is_never_unready(
    packages: Machine, lacks: dict[str, Any]
) -> None:
    packages.policy.write_text(bootstrap.REFUSE_STARTS)
    assert packages.is_unready()
    assert not replace(packages, **lacks).is_unready()


def test_set_ups_of_one_directory_run_one_after_the_other(tmp_path: Path) -> None:
    second = threading.Event()

    def other() -> None:
        with bootstrap.alone(tmp_path):
            second.set()

    with bootstrap.alone(tmp_path):
        waiting = threading.Thread(target=other)
        waiting.start()
        handle = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        assert not second.is_set()
    waiting.join(SECONDS)
    assert second.is_set()


LOCK = """one==1 \\
    --hash=sha256:1
setuptools==1 \\
    --hash=sha256:a \\
    --hash=sha256:b
zeta==1 \\
    --hash=sha256:1
"""


class Commands:
    """Replaces the commands that create an environment; the call number `fails` fails."""

    def __init__(self, fails: int = 0) -> None:
        self._numbers = count(1)
        self.commands: list[list[str]] = []
        self.files: list[str] = []
        """Contents of the lists of requirements."""
        self._fails = fails

    def __call__(self, command: list[str], *_: object) -> None:
        number = next(self._numbers)  # several commands run at the same time
        self.commands.append(command)
        if "-r" in command:
            self.files.append(Path(command[command.index("-r") + 1]).read_text())
        if "venv" in command:
            Path(command[-1]).mkdir(exist_ok=True)
        if number == self._fails:
            raise bootstrap.SetupError("pip was cut off", "again")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "lock.txt").write_text(LOCK)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


@pytest.mark.parametrize("fails", [2, 3])
def test_environment_whose_creation_was_interrupted_is_made_again(
    checkout: Path, fails: int
) -> None:
    environment = Environment(checkout, Commands(fails=fails))
    with pytest.raises(bootstrap.SetupError):
        environment.make()
    assert environment.is_stale()
    environment.make()
    assert not environment.is_stale()


def test_nothing_is_fetched_without_a_hash(checkout: Path) -> None:
    """Neither a package, nor what the build of one needs."""
    commands = Commands()
    environment = Environment(checkout, commands)
    environment.make()
    environment.install_project()
    tool, *locked, project = (command for command in commands.commands if "install" in command)
    assert {"--require-hashes", "--only-binary=:all:"} <= set(tool)
    assert all({"--require-hashes", "--no-build-isolation"} <= set(each) for each in locked)
    assert {"--no-deps", "--no-build-isolation"} <= set(project)
    tools, *lists = commands.files
    assert tools == "setuptools==1 \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n"
    assert sorted("".join(lists).splitlines()) == sorted(LOCK.splitlines())


def test_lock_without_what_builds_packages_is_refused(checkout: Path) -> None:
    (checkout / "requirements" / "lock.txt").write_text("one==1\n")
    with pytest.raises(bootstrap.SetupError, match="does not list setuptools"):
        Environment(checkout, Commands()).make()


def test_environment_whose_lock_changed_is_stale(checkout: Path) -> None:
    environment = Environment(checkout, Commands())
    environment.make()
    (checkout / "requirements" / "lock.txt").write_text("one==2\n")
    assert environment.is_stale()


def test_project_that_changed_is_stale_and_the_environment_is_not(checkout: Path) -> None:
    environment = Environment(checkout, Commands())
    environment.make()
    environment.install_project()
    assert not environment.project_is_stale()
    (checkout / "pyproject.toml").write_text("changed")
    assert environment.project_is_stale()
    assert not environment.is_stale()


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Restore the signal handlers, which `main` replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@dataclass(frozen=True)
class Broken(Machine):
    """A machine whose first step raises."""

    failure: BaseException = field(default_factory=KeyboardInterrupt)

    def is_unready(self) -> bool:
        raise self.failure


def test_set_up_that_fails_prints_no_traceback(
    capsys: pytest.CaptureFixture[str], restored_signals: None
) -> None:
    denied = PermissionError(13, "Permission denied", "/usr/sbin/policy-rc.d")
    assert bootstrap.main(Broken(failure=denied)) == 1
    assert "error[setup.failed]" in capsys.readouterr().err
    assert bootstrap.main(Broken(failure=KeyboardInterrupt())) == 130
    assert "interrupted" in capsys.readouterr().err


def test_set_up_on_an_old_python_is_refused() -> None:
    code = (
        "import sys; sys.version_info = (3, 9, 2); "
        "from tools import bootstrap; sys.exit(bootstrap.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=bootstrap.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, this is 3.9.2" in done.stderr
