"""Serves HTTP with as many threads as the setting says; with one thread, one request at a time."""

from __future__ import annotations

import logging
import socket
import socketserver
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from lab.mailu.admin.messages import Answer, Request

LOG = logging.getLogger("admin")
NAME = "stand-in for Mailu's admin"
IMITATED = "2024.06.57"


class Server(socketserver.TCPServer):
    """Connections wait until a thread is free; each carries one request."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], answer: Callable[[Request], Answer], threads: int
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.answer = answer
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="admin")
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in one of the threads."""
        self._threads.submit(self._serve, request, client_address)

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            LOG.exception("the connection of %s failed", client_address[0])
        finally:
            self.shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening, and end the threads."""
        super().server_close()
        self._threads.shutdown()


class _Connection(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def version_string(self) -> str:
        return NAME

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class
        LOG.info("%s %s", self.address_string(), format % args)

    def answer(self) -> None:
        """Answer the one request of this connection."""
        length = int(self.headers.get("Content-Length") or 0)
        path = unquote(urlsplit(self.path).path)
        peer = self.client_address[0].removeprefix("::ffff:")
        body = self.rfile.read(length)
        answer = self.server.answer(Request(self.command, path, self.headers, body, peer))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


for _method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"):
    setattr(_Connection, f"do_{_method}", _Connection.answer)
