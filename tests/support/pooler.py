"""PgBouncer in transaction mode in front of a test's PostgreSQL, as distributions ship it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from tests.support.waiting import wait_for
from tools.servers.process import SEARCH, Account

SETTINGS = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 2
"""


@contextmanager
def running_pooler(dsn: str, passwords: Mapping[str, str], directory: Path) -> Iterator[str]:
    """Pool the connections of some logins, two sessions each; yield the DSN of the pooler.

    PgBouncer refuses root. It runs as the account of the servers, which alone reaches the socket of
    PostgreSQL; `directory` can be entered by it.
    """
    server = urlsplit(dsn)
    address = parse_qs(server.query)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    users, settings = directory / "users.txt", directory / "pgbouncer.ini"
    users.write_text("".join(f'"{name}" "{secret}"\n' for name, secret in passwords.items()))
    settings.write_text(
        SETTINGS.format(
            host=address["host"][0], server_port=address["port"][0], port=port, users=users
        )
    )
    program = shutil.which("pgbouncer", path=SEARCH)
    assert program is not None, "`make setup` installs PgBouncer"
    process = subprocess.Popen([program, "-q", settings], **Account.for_servers().switch)
    pooled = f"postgresql://127.0.0.1:{port}{server.path}"
    name, secret = next(iter(passwords.items()))

    def answers() -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(pooled, user=name, password=secret).close()
            return True
        return False

    try:
        wait_for(answers, seconds=30)
        yield pooled
    finally:
        process.terminate()
        process.wait(10)
