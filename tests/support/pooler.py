"""PgBouncer in transaction mode in front of a test's PostgreSQL, as distributions ship it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from kit import files
from tests.support.waiting import SECONDS, wait_for
from tools.servers.process import SEARCH, Account

SETTINGS = """
[databases]
* = host={server} port={port}
[pgbouncer]
listen_port = {port}
unix_socket_dir = {directory}
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 2
"""


@contextmanager
def running_pooler(dsn: str, passwords: Mapping[str, str], directory: Path) -> Iterator[str]:
    """Pool the connections of some logins, two sessions each; yield the DSN of the pooler.

    `directory` gets the socket and the files of the pooler, which refuses to run as root.
    """
    account = Account.for_servers()
    own = directory / "pooler"
    files.directory(own, account.owner, 0o700)
    server = conninfo_to_dict(dsn)
    users, settings = own / "users.txt", own / "pgbouncer.ini"
    users.write_text("".join(f'"{name}" "{secret}"\n' for name, secret in passwords.items()))
    settings.write_text(
        SETTINGS.format(server=server["host"], port=server["port"], directory=own, users=users)
    )
    program = shutil.which("pgbouncer", path=SEARCH)
    assert program is not None, "`make setup` installs PgBouncer"
    process = subprocess.Popen([program, "-q", settings], **account.switch)
    query = urlencode({"host": own, "port": server["port"]})
    pooled = f"postgresql:///{server['dbname']}?{query}"
    name, secret = next(iter(passwords.items()))

    def answers() -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(pooled, user=name, password=secret).close()
            return True
        return False

    try:
        wait_for(answers)
        yield pooled
    finally:
        process.terminate()
        process.wait(SECONDS)
