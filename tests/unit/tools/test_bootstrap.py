"""Set-up can be killed, repeated and run twice at once; the machine's own settings are kept."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import bootstrap

REFUSES = "exit 101\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian of its own, whose root asks a set-up for `wanted`; `said` is what apt was told."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(bootstrap, "SEARCH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(bootstrap, "SHARED", tmp_path / "shared")
    monkeypatch.setattr(bootstrap, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(bootstrap, "APT_LISTS_LOCK", tmp_path / "lists")
    monkeypatch.setattr(bootstrap, "COMMANDS_TO_PACKAGES", {"wanted": "wanted-package"})
    for name in ("apt-get", "dpkg"):
        program(tmp_path, name, "")
    return tmp_path


def program(machine: Path, name: str, script: str) -> None:
    """Put a command on the machine; it notes how it was called, and the policy at that moment."""
    note = f'echo "{name} $*" >> {machine}/said; cat {machine}/policy-rc.d >> {machine}/seen'
    place = machine / "bin" / name
    place.write_text(f"#!/bin/sh\n{note}\n{script}\n")
    place.chmod(0o755)


def installing(machine: Path, then: str = "") -> None:
    """Let apt-get install what is wanted."""
    wanted = machine / "bin" / "wanted"
    script = f'case "$*" in *wanted-package) : > {wanted}; chmod 755 {wanted}; {then};; esac'
    program(machine, "apt-get", script)


def test_no_package_starts_a_daemon_and_the_policy_goes(machine: Path) -> None:
    installing(machine, ":")
    bootstrap.install_packages()
    assert not bootstrap.machine_unready()
    assert not bootstrap.POLICY.exists()
    assert (machine / "seen").read_text().endswith(REFUSES)


def test_the_machines_own_policy_is_kept(machine: Path) -> None:
    installing(machine, ":")
    bootstrap.POLICY.write_text("#!/bin/sh\nexit 0\n")
    bootstrap.install_packages()
    assert bootstrap.POLICY.read_text() == "#!/bin/sh\nexit 0\n"


@pytest.mark.parametrize("complete", [False, True])
def test_a_killed_set_up_leaves_no_policy_for_ever(machine: Path, complete: bool) -> None:
    installing(machine, "kill -9 $PPID")
    child = os.fork()
    if child == 0:
        bootstrap.install_packages()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9
    assert bootstrap.POLICY.exists()
    if not complete:
        (machine / "bin" / "wanted").unlink()
    installing(machine, ":")

    assert bootstrap.machine_unready()
    bootstrap.install_packages()

    assert not bootstrap.POLICY.exists()
    assert not bootstrap.machine_unready()


def test_what_was_cut_off_is_finished_first_and_a_dead_source_does_not_matter(
    machine: Path,
) -> None:
    installing(machine, ":")
    program(machine, "dpkg", "exit 1")
    apt = machine / "bin" / "apt-get"
    apt.write_text(apt.read_text().replace('case "$*" in', 'case "$*" in update*) exit 100;;'))
    bootstrap.install_packages()
    said = (machine / "said").read_text().splitlines()
    assert [line.split()[:2] for line in said] == [
        ["dpkg", "--force-confold"],
        ["apt-get", "update"],
        ["apt-get", "install"],
        ["apt-get", "install"],
    ]
    assert [line.split()[-1] for line in said[2:]] == ["--fix-broken", "wanted-package"]


def test_a_failing_installation_says_what_to_do(machine: Path) -> None:
    program(machine, "apt-get", "echo E: no such package; exit 100")
    with pytest.raises(bootstrap.SetupError, match="no such package") as failed:
        bootstrap.install_packages()
    assert failed.value.remedy
    assert not bootstrap.POLICY.exists()


def test_commands_are_found_where_roots_path_lacks_them() -> None:
    assert {"/usr/sbin", "/sbin"} <= set(bootstrap.SEARCH.split(os.pathsep))


@pytest.mark.parametrize("lacks", ["root", "apt-get"])
def test_nothing_is_installed_where_it_cannot_be(
    machine: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    if lacks == "root":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    else:
        monkeypatch.setattr(bootstrap, "SEARCH", str(machine / "empty"))
    bootstrap.POLICY.write_text(bootstrap.REFUSE_STARTS)
    assert not bootstrap.machine_unready()


def test_two_set_ups_work_one_after_the_other(tmp_path: Path) -> None:
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
    waiting.join(10)
    assert second.is_set()


def test_an_environment_that_was_left_half_way_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    steps: list[str] = []

    def run(command: list[str], *_: object) -> None:
        steps.append(command[-1])
        if len(steps) == 2:
            raise bootstrap.SetupError("pip was cut off", "again")

    monkeypatch.setattr(bootstrap, "run", run)
    with pytest.raises(bootstrap.SetupError):
        bootstrap.make_environment()
    assert bootstrap.environment_stale()
    bootstrap.make_environment()
    assert not bootstrap.environment_stale()


def test_a_changed_lock_makes_the_environment_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bootstrap.lock_digest()
    other = tmp_path / "other"
    other.write_text("changed")
    monkeypatch.setattr(bootstrap, "LOCK", other)
    assert bootstrap.lock_digest() != before


def test_a_changed_project_is_installed_again_and_the_environment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(bootstrap, "run", lambda command, *_: steps.append(command[-1]))
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(bootstrap, "PROJECT_STAMP", tmp_path / "project-stamp")
    bootstrap.make_environment()
    bootstrap.install_project()
    assert not bootstrap.project_stale()
    other = tmp_path / "pyproject.toml"
    other.write_text("changed")
    monkeypatch.setattr(bootstrap, "PROJECT", other)
    assert bootstrap.project_stale()
    assert not bootstrap.environment_stale()


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """The whole sets handlers; they are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def main_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | type], int]:
    """Run the whole with a first step that raises."""

    def run(trouble: Exception | type) -> int:
        def raising() -> bool:
            raise trouble

        monkeypatch.setattr(bootstrap, "machine_unready", raising)
        return bootstrap.main()

    return run


def test_no_traceback_reaches_a_person(
    main_with: Callable[[object], int],
    capsys: pytest.CaptureFixture[str],
    restored_signals: None,
) -> None:
    assert main_with(PermissionError(13, "Permission denied", "/usr/sbin/policy-rc.d")) == 1
    assert "error[setup.failed]" in capsys.readouterr().err
    assert main_with(KeyboardInterrupt) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_old_python_is_told_so() -> None:
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
