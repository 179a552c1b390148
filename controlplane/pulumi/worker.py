"""One Pulumi operation, in a process of its own.

Forked from a server that has this module and its heavy imports loaded; no gRPC is started before
the fork. The program and our own plugins run in this process; the engine is its child, and all
processes of the engine have the operation's mark in their environment.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import engine_pb2, language_pb2_grpc
from pulumi.runtime.settings import SETTINGS

from blueprint.document import Blueprint
from controlplane.pulumi.job import COMMANDS, MARK, Job, Kind
from controlplane.pulumi.owner import forget, recorded, started
from hostwinds.journal import Fence
from hostwinds.limiter import one_connection
from hostwinds.provider import serving as hostwinds
from kit.faults import Fault, first_line, line
from kit.inherited import inherited
from kit.leftovers import end_leftovers
from kit.plugins import Gateway, Plugin, served
from stacks.backend import Stacks
from stacks.cloudflare_rate import refuse, wait_for_turn
from stacks.program import declare, retire, run

WITH_PROGRAM = ("up", "refreshed up", "preview", "retire")
"""Kinds that run the program."""
WITH_PROVIDER = (*WITH_PROGRAM, "clear", "destroy")
"""Kinds for which the engine loads the plugins of its state."""
PORTS = "PULUMI_DEBUG_PROVIDERS"
"""Variable with the ports of plugins that the engine need not start."""
OWN_PREFIXES = ("HOSTWINDS_", "CLOUDFLARE_")
"""Of variables for the program, our provider and the gateway, which run in this process."""
SENDING = threading.Lock()
"""Held by the thread that reports to the caller."""
PANIC = 2
"""Exit code of a Go program that failed without a chance to release its lock."""


def work(job: Job, connection: Connection) -> None:
    """Run the job; send `(event, dict)`, `(line, text)`, `(peak, bytes)`, `(done, exit code)`."""
    os.setsid()
    os.environ.update(job.environment)
    os.environ[MARK] = job.mark
    os.chdir(job.directory)
    if job.memory is not None:
        # Not the address space, of which the engine reserves much more than it uses.
        resource.setrlimit(resource.RLIMIT_DATA, (job.memory, job.memory))
    running = _Running()
    threading.Thread(target=_obey, args=[connection, job.mark, running], daemon=True).start()
    try:
        with one_connection(job.environment):
            code = _run_all(job, connection, running)
    except Fault as fault:
        code = _failed(connection, line(fault))
    except Exception as error:  # noqa: BLE001 - the caller would take the process for killed
        traceback.print_exc()
        reason = first_line(error, "no text")
        code = _failed(connection, f"error: {type(error).__name__} in its process: {reason}")
    with SENDING, suppress(BrokenPipeError):
        connection.send(("peak", _peak()))
        connection.send(("done", code))


def _run_all(job: Job, connection: Connection, running: _Running) -> int:
    """Run the commands until one fails; return its exit code."""
    code = 0
    for kind in job.kinds:
        code = _run(job, kind, connection, running)
        if running.interrupted and kind != job.kinds[-1]:
            code = code or 1
        if code:
            break
    return code


def _failed(connection: Connection, text: str) -> int:
    """Report why there is no exit code of an engine; return one."""
    with SENDING, suppress(BrokenPipeError):
        connection.send(("line", text))
    return 1


def _peak() -> int:
    """Return the most memory that this process or an engine has had; bytes."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return 1024 * max(usage.ru_maxrss for usage in usages)


class _Running:
    """The engine that runs, for the thread that interrupts it."""

    def __init__(self) -> None:
        self.interrupted = False
        self._engine: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def begin(self, engine: subprocess.Popen[str]) -> None:
        """Remember an engine that was started."""
        with self._lock:
            self._engine = engine
            if self.interrupted:
                engine.send_signal(signal.SIGINT)

    def interrupt(self) -> None:
        """Let it end what it has begun and write its state, and every further one at once."""
        with self._lock:
            self.interrupted = True
            if self._engine is not None:
                self._engine.send_signal(signal.SIGINT)


def _obey(connection: Connection, mark: str, running: _Running) -> None:
    """Interrupt the engine when the caller says so; kill it and exit when the caller ends."""
    with suppress(EOFError, OSError):
        while True:
            connection.recv()
            running.interrupt()
    end_leftovers(f"{MARK}={mark}")
    os._exit(1)


def _run(job: Job, kind: Kind, connection: Connection, running: _Running) -> int:
    arguments = [job.command, "--non-interactive", *COMMANDS[kind], job.tenant]
    with _plugins(job, kind) as environment, _program(job, kind) as client:
        engine = subprocess.Popen(
            [*arguments, *client],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        running.begin(engine)
        mark, fence = f"{MARK}={job.mark}", Fence.from_environment(job.environment).token
        record = started(engine.pid, job.controller, mark, fence)

        def send(text: str) -> None:
            with SENDING, suppress(BrokenPipeError):  # `_end_with_caller` acts
                connection.send(_message(text))

        readers = [
            threading.Thread(target=_each_line, args=[stream, send])
            for stream in (engine.stdout, engine.stderr)
        ]
        stacks = Stacks(job.environment["PULUMI_BACKEND_URL"])
        with recorded(stacks, job.tenant, record):
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            code = engine.wait()
        if code >= 0 and code != PANIC:  # else its lock may be there
            forget(stacks, job.tenant, record)
        return code


def _engine_environment(job: Job) -> dict[str, str]:
    """Return the engine's variables: credentials of providers are for this process alone."""
    given = {**inherited(), **job.environment}
    kept = {name: text for name, text in given.items() if not name.startswith(OWN_PREFIXES)}
    return {**kept, MARK: job.mark, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}


def _each_line(stream: Any, send: Callable[[str], None]) -> None:
    for text in stream:
        if text.strip():
            send(text.rstrip())


def _message(text: str) -> tuple[str, Any]:
    """An event of the engine, or a line of another kind."""
    if text.startswith("{"):
        try:
            return "event", json.loads(text)
        except ValueError:
            pass
    return "line", text


@contextmanager
def _plugins(job: Job, kind: Kind) -> Iterator[dict[str, str]]:
    """Serve our own plugins, and the gateway to Cloudflare; yields the engine's variables."""
    environment = _engine_environment(job)
    if kind not in WITH_PROVIDER:
        yield environment
        return
    with ExitStack() as running:
        held = Fence.from_environment(job.environment).held
        turn, refused = partial(wait_for_turn, job.environment), partial(refuse, job.environment)
        start_gateway = import_module(job.gateway).start
        gateway: Gateway = start_gateway(job.environment, held, turn, refused)
        running.callback(gateway.end)
        environment |= gateway.environment
        ports = []
        starts = {name: import_module(path).start for name, path in served(os.environ).items()}
        for name, start in {"hostwinds": _hostwinds, **starts}.items():
            plugin: Plugin = start(environment)
            running.callback(plugin.end)
            ports.append(f"{name}:{plugin.port}")
        yield {**environment, PORTS: ",".join(ports)}


def _hostwinds(environment: Mapping[str, str]) -> Plugin:
    """Serve Hostwinds' plugin, which needs nothing of the engine's variables."""
    del environment
    return hostwinds.start()


@contextmanager
def _program(job: Job, kind: Kind) -> Iterator[list[str]]:
    """Serve the program to the engine; yields the arguments that name its port."""
    if kind not in WITH_PROGRAM:
        yield []
        return
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(
        LanguageServer(lambda: run(lambda: _declare(job))), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield [f"--client=127.0.0.1:{port}", "--exec-kind", "auto.inline"]
    finally:
        server.stop(grace=None)


class WithoutDebugging:
    """The engine, without the requests that bring it lines for debugging.

    The SDK sends a few of them for each resource, and no operation shows them.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def Log(self, request: Any) -> None:  # noqa: N802 - the name of the protocol
        """Show a line, unless it is for debugging."""
        if request.severity != engine_pb2.DEBUG:
            self._engine.Log(request)


def _declare(job: Job) -> None:
    SETTINGS.engine = WithoutDebugging(SETTINGS.engine)
    if job.blueprint is None:
        retire(job.tenant, job.installation)
    else:
        declare(Blueprint.model_validate_json(job.blueprint))
