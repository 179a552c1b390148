"""The command line as a person calls it, in this process."""

from __future__ import annotations

import io

import pytest

from cli.environment import Environment
from cli.main import main


def run(*arguments: str, environment: Environment | None = None) -> int:
    """Run `penguin` and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(arguments, environment)
    return int(ended.value.code or 0)


class Terminal(io.StringIO):
    """A stream that a person watches, or types into."""

    def isatty(self) -> bool:
        """Tell that it is a terminal."""
        return True
