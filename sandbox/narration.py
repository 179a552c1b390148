"""The output of the sandbox's commands, and of those that the demo shows at work."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from kit.paths import checkout
from sandbox.faults import COMMAND_FAILED


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def heading(text: str) -> None:
    """Print the heading of a section."""
    say(f"\n── {text} {'─' * max(0, 76 - len(text))}")


def penguin(environment: Mapping[str, str], *arguments: str, shown: bool = True) -> None:
    """Run one command, and show its output; raises COMMAND_FAILED."""
    if shown:
        _show(arguments)
    _run(environment, arguments, None)


def document(environment: Mapping[str, str], *arguments: str) -> str:
    """Run one command, and return what it prints as JSON; raises COMMAND_FAILED."""
    _show(arguments)
    return _run(environment, (*arguments, "-o", "json"), subprocess.PIPE)


def command() -> list[str]:
    """Return the command of this checkout."""
    return [str(checkout() / ".venv" / "bin" / "penguin")]


def _show(arguments: Sequence[str]) -> None:
    say(f"$ penguin {' '.join(map(_quoted, arguments))}")


def _run(environment: Mapping[str, str], arguments: Sequence[str], output: int | None) -> str:
    result = subprocess.run(
        [*command(), *arguments],
        cwd=checkout(),
        env=environment,
        stdout=output,
        text=True,
        check=False,
    )
    if result.returncode:
        raise COMMAND_FAILED(command=arguments[0])
    return result.stdout


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument
