"""Mailu's admin as a bare stand-in: in a thread of this process, with a Valkey of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit.waiting import wait_until
from lab.mailu.admin import settings
from lab.mailu.admin.application import Application, assembled
from lab.mailu.admin.dispatch import Dispatcher
from lab.mailu.admin.routes import ROUTES
from lab.mailu.admin.server import Server
from lab.mailu.admin.valkey import Valkey
from tests.support.waiting import SECONDS
from tools.servers.process import Account
from tools.servers.valkey import WHEEL

TOKEN = "contract-token-of-the-stand-in-0123456789"
CHEAP_ROUNDS = "1"


@dataclass(frozen=True)
class StandIn:
    """A running stand-in."""

    url: str
    """Of its root."""
    app: Application
    token: str = TOKEN


def environment(directory: Path, valkey: str, **more: str) -> dict[str, str]:
    """Return what the stand-in is started with; files are below a directory."""
    return {
        "API_TOKEN": TOKEN,
        "AUTH_REQUIRE_TOKENS": "True",
        "CPU_COUNT": "2",
        "CREDENTIAL_ROUNDS": CHEAP_ROUNDS,
        "DKIM_PATH": f"{directory}/{{domain}}.{{selector}}.key",
        "DKIM_SELECTOR": "mu1",
        "DOMAIN": "platform.example",
        "HOSTNAMES": "mx.platform.example",
        "IMAP_ADDRESS": "127.0.0.1",
        "MESSAGE_RATELIMIT": "50/day",
        "RECIPIENT_DELIMITER": "+",
        "REDIS_ADDRESS": valkey,
        "SECRET_KEY": "0123456789abcdef",
        "SMTP_ADDRESS": "127.0.0.1",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{directory}/main.db",
        **more,
    }


@contextmanager
def valkey_on_tcp() -> Iterator[str]:
    """Run a Valkey that keeps nothing, on a port of loopback; yield its address."""
    process, address = _started()
    while process.poll() is not None:  # another program has taken the port meanwhile
        process, address = _started()
    with process:
        try:
            yield address
        finally:
            process.terminate()


def _started() -> tuple[subprocess.Popen[bytes], str]:
    """Start a Valkey; return when it answers, or has ended."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = WHEEL.programs(Account(os.geteuid(), os.getegid())) / "valkey-server"
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, cwd="/")
    address = f"127.0.0.1:{port}"

    def settled() -> bool:
        return process.poll() is not None or _is_of(address, process.pid)

    assert wait_until(settled, seconds=SECONDS)
    return process, address


def _is_of(address: str, pid: int) -> bool:
    """Tell whether this process answers at an address."""
    try:
        [info] = Valkey(address).run(("INFO", "server"))
    except (OSError, ValueError):
        return False
    return f"process_id:{pid}\r\n" in str(info)


@contextmanager
def stand_in(directory: Path, valkey: str, **more: str) -> Iterator[StandIn]:
    """Run a stand-in with these settings."""
    app = assembled(settings.read(environment(directory, valkey, **more)))
    with serving(app) as running:
        yield running


@contextmanager
def serving(app: Application, **changed: Any) -> Iterator[StandIn]:
    """Serve an application, some parts of which are changed."""
    app = replace(app, **changed)
    with Server(("127.0.0.1", 0), Dispatcher(app, ROUTES), app.settings.threads) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        host, port = server.socket.getsockname()
        try:
            yield StandIn(f"http://{host}:{port}", app)
        finally:
            server.shutdown()
            thread.join()
