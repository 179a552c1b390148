"""Prints errors: code, message, location, remedy. Never a traceback.

Exit codes: 0 done, 1 failed, 130 interrupted. 2 belongs to `penguin diff`: something differs.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cli.faults import INTERNAL
from cli.terminal import on_terminal
from kit.faults import Fault, Violation

FAILED = 1
INTERRUPTED = 130


def show_fault(fault: Fault) -> None:
    """Print a fault to standard error: each of its violations, or itself where it has none."""
    for entry in fault.violations or (fault,):
        show(entry)


def show(error: Fault | Violation) -> None:
    """Print one error to standard error."""
    lines = {f"error[{error.code}]: ": error.message, "  at: ": error.where, "  do: ": error.remedy}
    for first, text in lines.items():
        if text:
            shown = on_terminal(text, first=first, stream=sys.stderr, indent=" " * 6)
            print(shown, file=sys.stderr)


@contextmanager
def reported(log: Callable[[], Path]) -> Iterator[None]:
    """Turn faults into messages and exit codes; other exceptions go to the log in full.

    `log` returns the log file and is called only when it is needed.
    """
    try:
        yield
        if sys.stdout is not None:  # None: it was closed from the start
            sys.stdout.flush()  # so that a broken pipe is raised here and not at exit
    except Fault as fault:
        show_fault(fault)
        raise SystemExit(FAILED) from None
    except BrokenPipeError:
        # The reader (`| head`) has ended. Python would raise again when it closes the stream.
        # The command may not have finished its work, so this is no success.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(FAILED) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except Exception:  # noqa: BLE001 - the outermost handler
        show(INTERNAL(remedy=_log_exception(log)))
        raise SystemExit(FAILED) from None


def _log_exception(log: Callable[[], Path]) -> str:
    """Append the current exception to the log; return the remedy."""
    try:
        path = log()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"{datetime.now(UTC).isoformat()} {' '.join(sys.argv[:2])}\n")
            traceback.print_exc(file=file)
    except OSError as error:
        return f"make the log writable to see where it comes from: {error}"
    return f"report it with the last entry of {path}"
