"""Entry of `pulumi-resource-hostwinds ENGINE_ADDRESS`: prints its port, serves until ended."""

from __future__ import annotations

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc

from hostwinds.client import Client
from hostwinds.journal import journal_from_environment
from hostwinds.provider.resources import Services
from hostwinds.provider.server import HostwindsProvider
from hostwinds.purchase import Buyer, Patience

WORKERS = 32
"""Calls at once; most of them wait for the limiter."""


def main() -> None:
    """Serve the provider."""
    channel = grpc.insecure_channel(sys.argv[1]) if len(sys.argv) > 1 else None
    engine = engine_pb2_grpc.EngineStub(channel) if channel else None

    def connect(urn: str) -> Services:
        def progress(line: str) -> None:
            if engine is not None:
                severity = engine_pb2.INFO
                engine.Log(engine_pb2.LogRequest(severity=severity, message=line, urn=urn))

        client = Client.from_environment()
        buyer = Buyer(client, journal_from_environment(), Patience.from_environment())
        return Services(client, buyer, progress)

    server = grpc.server(ThreadPoolExecutor(max_workers=WORKERS))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(HostwindsProvider(connect), server)
    port = server.add_insecure_port("127.0.0.1:0")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    server.start()
    print(port, flush=True)
    over.wait()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
