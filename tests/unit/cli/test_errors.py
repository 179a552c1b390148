"""Failures are printed with code and remedy; tracebacks go to the log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blueprint.faults import invalid
from cli.errors import reported
from cli.faults import STALE, UNREADABLE
from kit.faults import Table
from tests.support.command_line import run
from tests.support.faults import assert_shows

TABLE = Table("test")
INVALID = TABLE.code("thing.invalid", message="it is invalid", remedy="correct it", cause="c")
MISSING = TABLE.code("thing.missing", message="no name", remedy="add one", cause="c")


def test_violations_of_a_fault_are_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    both = tuple(UNREADABLE.violation(reason=reason, file="a.yaml") for reason in ("one", "two"))
    with pytest.raises(SystemExit) as ended, reported(lambda: Path("/nowhere")):
        raise invalid(both)
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "error[file.unreadable]: the file cannot be read: one\n  at: a.yaml\n  do: check the path\n"
        "error[file.unreadable]: the file cannot be read: two\n  at: a.yaml\n  do: check the path\n"
    )


def test_fault_raised_is_shown_with_place_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), reported(lambda: Path("/nowhere")):
        raise INVALID(where="acme.yaml")
    assert capsys.readouterr().err == (
        "error[thing.invalid]: it is invalid\n  at: acme.yaml\n  do: correct it\n"
    )


def test_fault_with_violations_shows_each(capsys: pytest.CaptureFixture[str]) -> None:
    several = tuple(MISSING.violation(path=path, file="a.yaml", line=3) for path in ("one", "two"))
    with pytest.raises(SystemExit), reported(lambda: Path("/nowhere")):
        raise INVALID(violations=several)
    assert capsys.readouterr().err == (
        "error[thing.missing]: no name\n  at: a.yaml:3 one\n  do: add one\n"
        "error[thing.missing]: no name\n  at: a.yaml:3 two\n  do: add one\n"
    )


def test_unexpected_exception_is_written_to_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log" / "penguin.log"
    with pytest.raises(SystemExit), reported(lambda: log):
        raise KeyError("surprise")
    output = capsys.readouterr().err
    assert output.startswith("error[cli.internal]: an unexpected failure\n  do: ")
    assert str(log) in output
    assert "Traceback" not in output
    assert "Traceback" in log.read_text()


def test_unexpected_exception_without_a_writable_log_shows_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text("a file where the directory should be")
    with pytest.raises(SystemExit), reported(lambda: tmp_path / "log" / "penguin.log"):
        raise KeyError("surprise")
    output = capsys.readouterr().err
    assert output.startswith(
        "error[cli.internal]: an unexpected failure\n  do: make the log writable"
    )


@pytest.mark.parametrize(
    ("arguments", "message", "help_of"),
    [
        (["nope"], "No such command 'nope'", "penguin"),
        (["servers", "--nope"], "No such option: --nope", "penguin servers"),
        (["servers", "status", "-o", "xml"], "'xml' is not one of", "penguin servers status"),
    ],
)
def test_mistyped_command_line_exits_with_1_and_names_its_help(
    arguments: list[str],
    message: str,
    help_of: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*arguments) == 1
    output = capsys.readouterr().err
    assert output.startswith("error[usage]: ")
    assert message in output
    assert f"  do: see `{help_of} --help`" in output


@pytest.mark.parametrize("arguments", [["--help"], ["servers", "status", "-o", "json"]])
def test_closed_pipe_ends_the_command_without_a_message(
    arguments: list[str], tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env={**os.environ, "PENGUIN_STATE_DIR": str(tmp_path)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("format_", ["table", "json"])
def test_command_with_closed_standard_output_succeeds(format_: str, tmp_path: Path) -> None:
    command = f'exec "$0" -m cli.main servers status -o {format_} <&- >&-'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable],
        env={**os.environ, "PENGUIN_STATE_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_without_installed_metadata_say_to_run_setup() -> None:
    code = (
        "import importlib.metadata as m; m.entry_points = lambda **_: ();"
        "from cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert_shows(done.stderr, STALE)


def test_help_lists_every_room_and_imports_none() -> None:
    code = (
        "import sys; from cli.main import app; "
        "app(['--help'], standalone_mode=False);"
        "print(sorted(set(sys.modules) & {'cli.get', 'composition.serve', 'sandbox.local', 'lab'}))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "Wait until a condition of a tenant is True" in output
    assert "Run API, public endpoints, reconciler and sender" in output
    assert "The main job on real parts" in output
    assert output.endswith("[]\n")
