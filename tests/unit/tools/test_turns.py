"""Who works in a directory is waited for, and a killed one is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

from tools.turns import turn

HOLD = """
import sys
from pathlib import Path
from tools.turns import turn
with turn(Path(sys.argv[1]), print):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_the_second_says_that_it_waits_and_comes_after_the_first(tmp_path: Path) -> None:
    waits, had_it = Event(), Event()

    def second() -> None:
        with turn(tmp_path, waits.set):
            had_it.set()

    other = Thread(target=second)
    with turn(tmp_path, waits.set):
        assert not waits.is_set()
        other.start()
        assert waits.wait(10)
        assert not had_it.is_set()
    assert had_it.wait(10)
    other.join()


def test_the_turn_of_a_killed_process_is_over(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        said: list[str] = []
        holder.kill()
        holder.wait()
        with turn(tmp_path, lambda: said.append("waits")):
            assert not said
