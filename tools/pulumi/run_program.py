"""Runs one Pulumi program for the language host: reads a RunRequest, writes a RunResponse."""

from __future__ import annotations

import asyncio
import logging
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pulumi
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2
from pulumi.runtime.stack import ResourceRegistrationFailed

from tools.pulumi.parts import ANSWERED


def main() -> None:
    """Read the request from standard input, write the response to the descriptor given."""
    descriptor = int(sys.argv.pop())  # the program sees no arguments
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends without a traceback
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the engine reports failed outputs
    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    response = run(request)
    sys.stdout.flush()
    with os.fdopen(descriptor, "wb") as output:
        output.write(response.SerializeToString() + ANSWERED)


def run(request: Any) -> Any:
    """Run the program that the request names, in its directory; return a RunResponse."""
    directory = Path(request.info.program_directory or request.pwd)
    entry = directory / (request.info.entry_point or request.program or ".")
    os.chdir(request.pwd or directory)
    sys.path.insert(0, str(entry if entry.is_dir() else entry.parent))
    reset_options(
        project=request.project,
        stack=request.stack,
        organization=request.organization or "organization",
        monitor_address=request.monitor_address,
        engine_address=request.args[0] if request.args else "",
        parallel=request.parallel,
        preview=request.dryRun,
    )
    if request.config:
        set_all_config(request.config, list(request.configSecretKeys) or None)

    def program() -> None:
        runpy.run_path(str(entry), run_name="__main__")

    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(request.parallel, 1) * 4))
    try:
        loop.run_until_complete(run_in_stack(program))
    except BaseException as error:  # noqa: BLE001 - SystemExit as well comes from the program
        return _response(error, directory)
    finally:
        _end(loop)
    return language_pb2.RunResponse()


def _response(error: BaseException, directory: Path) -> Any:
    """Return what ended the program, in one line; the traceback is in the debug log."""
    if isinstance(error, ResourceRegistrationFailed):
        # The engine has reported the error of the resource.
        return language_pb2.RunResponse(bail=True)
    if isinstance(error, grpc.RpcError):
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return language_pb2.RunResponse()  # the engine is ending
        text = str(error.details())
    elif isinstance(error, pulumi.RunError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}{_source_line(error, directory)}"
    try:
        pulumi.log.debug("".join(traceback.format_exception(error)))
        pulumi.log.error(text)
    except grpc.RpcError:
        return language_pb2.RunResponse(error=text)
    return language_pb2.RunResponse(error=text, bail=True)


def _source_line(error: BaseException, directory: Path) -> str:
    """Return the last line of the program itself in the error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename), directory)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _is_own(file: Path, directory: Path) -> bool:
    return file.is_relative_to(directory.resolve()) and "site-packages" not in file.parts


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel pending tasks, which would otherwise print warnings when the interpreter ends."""
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    if waiting:
        loop.run_until_complete(asyncio.wait(waiting))
    loop.close()


if __name__ == "__main__":
    main()
