"""The provider as a gRPC service, in a process of its own or in one that serves more."""

from __future__ import annotations

import os
import threading
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
from hostwinds.variables import LOST_POINTERS

WORKERS = 32
"""Calls at once; most of them wait for the limiter."""
GRACE_SECONDS = 5
"""Time in which running calls may answer that they were interrupted."""


class Connection:
    """One client and one journal for all calls, created at the first call."""

    def __init__(self) -> None:
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._created: tuple[Client, Buyer] | None = None

    def attach(self, address: str) -> None:
        """Show progress by the engine at an address."""
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def services(self, urn: str) -> Services:
        """Return the services of a resource; its progress is shown under its name."""
        with self._lock:
            if self._created is None:
                client = Client.from_environment(pause=self._pause)
                journal = journal_from_environment()
                deadlines = Deadlines.from_environment()
                tolerance = number(os.environ, "HOSTWINDS_PRICE_TOLERANCE", 0)
                buyer = Buyer(
                    client,
                    journal,
                    deadlines,
                    tolerance=tolerance,
                    pause=self._pause,
                )
                self._created = client, buyer
        lost = os.environ.get(LOST_POINTERS, "").split()
        return Services(*self._created, self._progress(urn), lost)

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


class Serving:
    """The provider on a free loopback port, for the engine at an address or one that attaches."""

    def __init__(self, engine: str | None = None) -> None:
        self._connection = made = Connection()
        if engine is not None:
            made.attach(engine)
        self._server = grpc.server(ThreadPoolExecutor(max_workers=WORKERS))
        provider = HostwindsProvider(made.services, made.stop, made.attach)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def end(self) -> None:
        """Interrupt waiting calls, let them answer, and stop."""
        self._connection.stop()
        self._server.stop(grace=GRACE_SECONDS).wait()


start = Serving
"""See `kit.plugins`."""
