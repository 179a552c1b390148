"""The fence of a host, by real processes: a directory of this machine stands in for the host."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane.ansible.host_fence import BUSY, REFUSED, SOURCE, begin_command
from tests.support.processes import mentioning, suspended
from tests.support.waiting import SECONDS, wait_for

LONG = 3600
"""Seconds that no test waits for: only what is ended makes way."""


@dataclass(frozen=True)
class Fence:
    """A fence in a directory, and the processes that were started at it."""

    directory: Path
    started: ExitStack

    @property
    def program(self) -> Path:
        return self.directory / "fence"

    @property
    def token(self) -> str:
        return (self.directory / "token").read_text().strip()

    def begin(
        self, token: int, seconds: int = LONG, *, beside: bool = False
    ) -> subprocess.Popen[str]:
        """Start a run; its line is `held` when the fence is raised."""
        program = str(self.program)
        command = begin_command(token, program=program, seconds=seconds, beside=beside)
        return self._start(["sh", "-c", command])

    def run(self, token: int, command: str) -> subprocess.Popen[str]:
        """Start a command of a run."""
        return self._start(["sh", str(self.program), "run", str(token), command])

    def _start(self, words: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.callback(_end, process)
        return process


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def fence(tmp_path: Path) -> Iterator[Fence]:
    with ExitStack() as started:
        yield Fence(tmp_path / "a fence", started)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def began(fence: Fence, token: int) -> subprocess.Popen[str]:
    process = fence.begin(token)
    assert line(process) == "held\n"
    return process


def ended(process: subprocess.Popen[str], given: str | None = None) -> int:
    """End the input of a process; return its status."""
    process.communicate(given, timeout=SECONDS)
    return process.returncode


def test_begin_on_a_host_without_a_token_installs_the_fence_and_writes_it(fence: Fence) -> None:
    run = began(fence, 7)

    assert fence.token == "7"
    assert fence.program.read_text() == SOURCE.read_text()
    assert ended(run) == 0


def test_command_passes_with_its_input_its_output_and_its_status(fence: Fence) -> None:
    began(fence, 7)

    command = fence.run(7, "read word; echo \"$word '$0'\"; exit 9")
    output, _ = command.communicate("it's\n", timeout=SECONDS)

    assert (command.returncode, output) == (9, "it's '/bin/sh'\n")


def test_command_with_a_smaller_token_is_refused_and_writes_nothing(
    fence: Fence, tmp_path: Path
) -> None:
    began(fence, 8)

    refused = fence.run(7, f"touch '{tmp_path}/changed'")
    _, errors = refused.communicate(timeout=SECONDS)

    assert refused.returncode == REFUSED
    assert errors == "the fence of this host is at 8: a run with 7 changes nothing more\n"
    assert not (tmp_path / "changed").exists()


def test_begin_with_a_smaller_token_is_refused_and_writes_nothing(fence: Fence) -> None:
    ended(began(fence, 8))

    assert ended(fence.begin(7)) == REFUSED
    assert fence.token == "8"


@pytest.mark.parametrize(("earlier", "later"), [(9, 10), (99, 100), (2**40, 2**40 + 1)])
def test_tokens_are_compared_as_numbers(fence: Fence, earlier: int, later: int) -> None:
    ended(began(fence, earlier))
    ended(began(fence, later))

    assert ended(fence.run(earlier, "true")) == REFUSED
    assert ended(fence.run(later, "true")) == 0


def test_token_outlives_the_run_that_raised_it(fence: Fence) -> None:
    ended(began(fence, 8))

    assert ended(fence.run(7, "true")) == REFUSED


def test_later_run_waits_for_a_command_under_way_and_refuses_the_next(
    fence: Fence, tmp_path: Path
) -> None:
    began(fence, 7)
    command = fence.run(7, f"echo begun; read _; touch '{tmp_path}/changed'")
    assert line(command) == "begun\n"

    later = fence.begin(8)
    wait_for(lambda: fence.token == "8")
    assert ended(fence.run(7, "true")) == REFUSED
    assert later.poll() is None
    assert ended(command, "go on\n") == 0

    assert line(later) == "held\n"
    assert (tmp_path / "changed").exists()


def test_command_that_does_not_end_in_time_is_ended_with_all_that_it_started(fence: Fence) -> None:
    began(fence, 7)
    # The child has no descriptor of the lock, as those of Python, and a session of its own.
    command = fence.run(7, "echo begun; setsid -w cat 9>&- & cat")
    assert line(command) == "begun\n"

    later = fence.begin(8, seconds=0)

    assert line(later) == "held\n"
    assert command.wait(SECONDS) == -signal.SIGKILL
    assert mentioning(fence.directory).keys() == {later.pid}


def test_stopped_command_is_ended_and_changes_nothing_when_it_continues(
    fence: Fence, tmp_path: Path
) -> None:
    began(fence, 7)
    command = fence.run(7, f"echo begun; read _; touch '{tmp_path}/changed'; read _")
    assert line(command) == "begun\n"

    with suspended(command.pid):
        assert line(fence.begin(8, seconds=0)) == "held\n"

    assert ended(command, "go on\n") == -signal.SIGKILL
    assert not (tmp_path / "changed").exists()


def test_killed_command_frees_the_lock(fence: Fence) -> None:
    began(fence, 7)
    command = fence.run(7, "echo begun; read _; true")
    assert line(command) == "begun\n"

    later = fence.begin(8)
    wait_for(lambda: fence.token == "8")
    os.killpg(command.pid, signal.SIGKILL)

    assert line(later) == "held\n"


def test_second_run_with_the_same_token_is_refused_while_the_first_holds_the_lock(
    fence: Fence,
) -> None:
    first = began(fence, 7)

    assert ended(fence.begin(7, seconds=0)) == BUSY
    assert ended(first) == 0
    assert line(fence.begin(7, seconds=0)) == "held\n"


def test_stop_passes_beside_a_run_and_a_command_of_its_token(fence: Fence) -> None:
    first = began(fence, 7)
    command = fence.run(7, "echo begun; read _; true")
    assert line(command) == "begun\n"

    assert line(fence.begin(7, beside=True)) == "held\n"
    assert ended(fence.run(7, "true")) == 0
    assert first.poll() is None
    assert command.poll() is None


def test_run_begins_beside_a_stop_of_its_token(fence: Fence) -> None:
    stop = fence.begin(7, beside=True)
    assert line(stop) == "held\n"

    assert line(fence.begin(7, seconds=0)) == "held\n"
    assert stop.poll() is None


def test_stop_of_a_later_token_refuses_and_ends_an_earlier_run(fence: Fence) -> None:
    first = began(fence, 7)

    assert line(fence.begin(8, seconds=0, beside=True)) == "held\n"

    assert first.wait(SECONDS) == -signal.SIGKILL
    assert ended(fence.run(7, "true")) == REFUSED


def test_later_run_ends_a_stop_and_refuses_its_token(fence: Fence) -> None:
    stop = fence.begin(7, beside=True)
    assert line(stop) == "held\n"

    assert line(fence.begin(8, seconds=0)) == "held\n"

    assert stop.wait(SECONDS) == -signal.SIGKILL
    assert ended(fence.begin(7, beside=True)) == REFUSED


def test_killed_run_frees_its_lock(fence: Fence) -> None:
    first = began(fence, 7)
    os.killpg(first.pid, signal.SIGKILL)

    assert line(fence.begin(7)) == "held\n"


def test_later_run_ends_the_earlier_one_that_holds_the_lock(fence: Fence) -> None:
    first = began(fence, 7)

    assert line(fence.begin(8)) == "held\n"

    assert first.wait(SECONDS) == -signal.SIGKILL


def test_begin_that_is_killed_in_its_wait_leaves_the_way_to_the_next(fence: Fence) -> None:
    began(fence, 7)
    command = fence.run(7, "echo begun; read _; true")
    assert line(command) == "begun\n"
    waiting = fence.begin(8)
    wait_for(lambda: fence.token == "8")
    os.killpg(waiting.pid, signal.SIGKILL)

    assert line(fence.begin(9, seconds=0)) == "held\n"
    assert fence.token == "9"


def test_of_runs_that_begin_at_once_the_one_with_the_largest_token_stays(fence: Fence) -> None:
    ended(began(fence, 1))

    runs = {token: fence.begin(token) for token in (5, 3, 6, 2, 4)}

    assert line(runs[6]) == "held\n"
    for token in (2, 3, 4, 5):
        assert runs[token].wait(SECONDS) in {REFUSED, -signal.SIGKILL}
    assert fence.token == "6"
    assert runs[6].poll() is None


def test_empty_token_of_a_power_cut_is_none(fence: Fence) -> None:
    ended(began(fence, 7))
    (fence.directory / "token").write_text("")

    assert line(fence.begin(3)) == "held\n"


def test_full_disk_refuses_a_run_by_its_reason(
    fence: Fence, request: pytest.FixtureRequest
) -> None:
    ended(began(fence, 7))
    (fence.directory / "token.new").symlink_to("/dev/full")

    run = fence.begin(8)
    _, errors = run.communicate(timeout=SECONDS)

    assert run.returncode not in {0, REFUSED, BUSY}
    assert "No space left on device" in errors
    assert fence.token == "7"
