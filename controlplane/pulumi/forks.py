"""A fork server for operations, with all their imports loaded.

The standard library's fork server cannot be ended by a public call, and this one must not stay in
memory while nothing runs.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from controlplane.pulumi.job import Job
from kit.packages import loaded_for_good
from kit.plugins import served

IDLE = timedelta(minutes=10)
IMPORTED_LATER = ("encodings.idna", "grpc._interceptor", "grpc._server", "grpc.experimental")
"""Modules that are imported by the first server or request: loaded here, not by each worker."""


class ForkServer:
    """Starts with the first operation, and ends when none has run for `idle`.

    The server ends with the process that started it; a worker sees that its connection is closed.
    """

    def __init__(self, idle: timedelta = IDLE) -> None:
        self._idle = idle
        self._lock = threading.Lock()
        self._operations = 0
        self._timer: threading.Timer | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @contextmanager
    def worker(self, job: Job) -> Iterator[Connection]:
        """Fork a worker for a job; yields the connection over which it reports."""
        ours, theirs = Pipe()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            socket.send_fds(self._running(job), [b"\0"], [theirs.fileno()])
            self._operations += 1
        theirs.close()
        try:
            with ours, _ended_afterwards(ours):
                ours.send(job)
                yield ours
        finally:
            with self._lock:
                self._operations -= 1
                if self._operations == 0:
                    self._timer = threading.Timer(self._idle.total_seconds(), self._end)
                    self._timer.daemon = True
                    self._timer.start()

    def _running(self, job: Job) -> socket.socket:
        """Return the socket of the server, which is started if it does not run.

        It loads gateway and plugins of its first job; those of others are loaded by their workers.
        """
        if self._control is None or self._server is None or self._server.poll() is not None:
            self._control, theirs = socket.socketpair()
            modules = [job.gateway, *served(job.environment).values()]
            self._server = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
            theirs.close()
        return self._control

    def _end(self) -> None:
        with self._lock:
            if self._operations == 0 and self._control is not None and self._server is not None:
                self._control.close()
                self._server.wait()
                self._control = self._server = None


@contextmanager
def _ended_afterwards(worker: Connection) -> Iterator[None]:
    """Return when the worker has ended; kill it if the block raises."""
    pid = int(worker.recv())
    try:
        yield
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise
    finally:
        with suppress(EOFError, ConnectionError):
            while True:
                worker.recv()


def serve(control: socket.socket, work: Callable[[Job, Connection], None]) -> None:
    """Fork a worker for each connection that comes over `control`, until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the process that started us
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps workers that have ended
    while fds := socket.recv_fds(control, 1, 1)[1]:
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _work(Connection(fds[0]), work)
        os.close(fds[0])


def _work(connection: Connection, work: Callable[[Job, Connection], None]) -> None:
    """Do one job, and end the process."""
    code = 1
    try:
        connection.send(os.getpid())
        work(connection.recv(), connection)
        code = 0
    except (EOFError, ConnectionError):
        pass  # the caller has ended
    except Exception:  # noqa: BLE001 - the server's own code must not run in this process
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Load what every operation needs, then serve."""
    with loaded_for_good():
        import httpx2

        from controlplane.pulumi.worker import work

        httpx2.Client(verify=False).close()  # loads what the first client needs; connects nowhere
        for module in (*sys.argv[2:], *IMPORTED_LATER):
            import_module(module)
    serve(socket.socket(fileno=int(sys.argv[1])), work)


if __name__ == "__main__":
    main()
