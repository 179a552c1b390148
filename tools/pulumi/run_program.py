"""Runs one Pulumi program for the language host: a RunRequest comes in, a RunResponse goes out."""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path

from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2


def main() -> None:
    """Read the request from standard input, answer on the descriptor that is the argument."""
    answer_to = int(sys.argv.pop())  # the program sees no arguments
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends quietly: a traceback helps nobody here
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    directory = Path(request.info.program_directory or request.pwd)
    entry = directory / (request.info.entry_point or request.program or ".")
    os.chdir(request.pwd or directory)
    sys.path.insert(0, str(entry if entry.is_dir() else entry.parent))

    def program() -> None:
        runpy.run_path(str(entry), run_name="__main__")

    response = LanguageServer(program).Run(request, None)  # type: ignore[no-untyped-call]
    with os.fdopen(answer_to, "wb") as answer:
        answer.write(response.SerializeToString())


if __name__ == "__main__":
    main()
