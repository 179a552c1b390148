"""Entry of `pulumi-resource-hostwinds ENGINE_ADDRESS`: prints its port, serves until stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc

from hostwinds.client import Client
from hostwinds.faults import INTERRUPTED
from hostwinds.journal import journal_from_environment
from hostwinds.numbers import number
from hostwinds.provider.protocol import engine_pb2, engine_pb2_grpc, provider_pb2_grpc
from hostwinds.provider.resources import Services
from hostwinds.provider.server import HostwindsProvider
from hostwinds.purchase import Buyer, Deadlines, Progress

WORKERS = 32
"""Calls at once; most of them wait for the limiter."""
PARENT_CHECK_SECONDS = 2
"""Interval at which the engine is checked to be alive: a killed one sends nothing."""
GRACE_SECONDS = 5
"""Time in which running calls may answer that they were interrupted."""


class Connection:
    """One client and one journal for all calls, created at the first call."""

    def __init__(self, engine: engine_pb2_grpc.EngineStub | None) -> None:
        self._engine = engine
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._created: tuple[Client, Buyer] | None = None

    def services(self, urn: str) -> Services:
        """Return the services of a resource; its progress is shown under its name."""
        with self._lock:
            if self._created is None:
                client = Client.from_environment(pause=self._pause)
                journal = journal_from_environment()
                deadlines = Deadlines.from_environment()
                tolerance = number(os.environ, "HOSTWINDS_PRICE_TOLERANCE", 0)
                buyer = Buyer(client, journal, deadlines, tolerance=tolerance, pause=self._pause)
                self._created = client, buyer
        return Services(*self._created, self._progress(urn))

    def stop(self) -> None:
        """Interrupt all waiting calls."""
        self._stopping.set()

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise INTERRUPTED(what="the provider had finished")

    def _progress(self, urn: str) -> Progress:
        def progress(line: str) -> None:
            if self._engine is not None:
                request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, urn=urn)
                with suppress(grpc.RpcError):  # an engine that has ended must not stop a purchase
                    self._engine.Log(request)

        return progress


def main() -> None:
    """Serve the provider."""
    channel = grpc.insecure_channel(sys.argv[1]) if len(sys.argv) > 1 else None
    connection = Connection(engine_pb2_grpc.EngineStub(channel) if channel else None)
    provider = HostwindsProvider(connection.services, connection.stop)
    server = grpc.server(ThreadPoolExecutor(max_workers=WORKERS))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    ending = threading.Event()
    for code in (signal.SIGINT, signal.SIGTERM):
        signal.signal(code, lambda *_: ending.set())
    parent = os.getppid()
    server.start()
    print(port, flush=True)
    wait_for_end(ending, lambda: os.getppid() == parent)
    connection.stop()
    server.stop(grace=GRACE_SECONDS).wait()


def wait_for_end(ending: threading.Event, has_parent: Callable[[], bool]) -> None:
    """Return on a signal, or when the engine has ended."""
    while not ending.wait(PARENT_CHECK_SECONDS) and has_parent():
        pass


if __name__ == "__main__":
    main()
