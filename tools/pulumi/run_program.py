"""Runs one Pulumi program for the language host: a RunRequest comes in, a RunResponse goes out."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2


def main() -> None:
    """Read the request from standard input, answer on standard output, print to standard error."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the program prints must not mix with the answer
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    directory = Path(request.info.program_directory or request.pwd)
    entry = directory / (request.info.entry_point or request.program or ".")
    os.chdir(request.pwd or directory)
    sys.path.insert(0, str(entry if entry.is_dir() else entry.parent))

    def program() -> None:
        runpy.run_path(str(entry), run_name="__main__")

    response = LanguageServer(program).Run(request, None)  # type: ignore[no-untyped-call]
    answer.write(response.SerializeToString())
    answer.close()


if __name__ == "__main__":
    main()
