"""PgBouncer in transaction mode in front of a test's PostgreSQL, as distributions ship it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.support.waiting import wait_for
from tools.servers.process import free_port

SETTINGS = """
[databases]
* = host=127.0.0.1 port={server_port}
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

    `directory` can be entered by the account that PgBouncer runs as, since it refuses root.
    """
    server = urlsplit(dsn)
    port = free_port()
    users, settings = directory / "users.txt", directory / "pgbouncer.ini"
    users.write_text("".join(f'"{name}" "{secret}"\n' for name, secret in passwords.items()))
    settings.write_text(SETTINGS.format(server_port=server.port, port=port, users=users))
    account = "nobody" if os.geteuid() == 0 else None
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "`make setup` installs PgBouncer"
    process = subprocess.Popen([program, "-q", settings], user=account)
    pooled = urlunsplit(server._replace(netloc=f"127.0.0.1:{port}"))
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
