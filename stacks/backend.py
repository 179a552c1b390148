"""Reads Pulumi's state from its backend without the engine (layout as of 3.259.0).

The engine's own `stack export` costs half a second and 100 MB; a pass without change needs one
row. Layout below `.pulumi/`: `stacks/<project>/<stack>.json[.gz]`,
`locks/organization/<project>/<stack>/<id>.json`, `history/<project>/<stack>/…`; beside them ours,
`engines/<project>/<stack>/<host>-<pid>.json` and `zones/<project>/<stack>.json`. In PostgreSQL
each file is a row whose key begins with the database's name and whose JSON contains the content in
base64.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from kit import files
from kit.database import connection_options, is_pooled
from kit.queries import Queries
from stacks.faults import STATE_POOLED, STATE_UNREACHABLE

SQL = Queries(__file__, sql.SQL)
PROJECT = "penguin"
STACK = "pulumi:pulumi:Stack"
INSTANCE = "hostwinds:index:Instance"
RECORD = "cloudflare:index/dnsRecord:DnsRecord"
"""Types of resources."""
COMPRESSED = b"\x1f\x8b"
CONNECTION = connection_options("penguin-state")


class Files(Protocol):
    """The files of a backend, by their path below its root."""

    def read(self, key: str) -> bytes | None:
        """Return the content of a file, None when it does not exist."""

    def keys(self, prefix: str) -> list[str]:
        """List the files below a directory, sorted."""

    def times(self, prefix: str) -> dict[str, str]:
        """Return when each file below a directory was written last, by its path."""

    def write(self, key: str, content: bytes) -> None:
        """Write a file."""

    def touch(self, key: str) -> bool:
        """Let a file be new; return whether it exists."""

    def age(self, key: str) -> float | None:
        """Return the seconds since a file was written or touched, None when it does not exist."""

    def remove(self, keys: Sequence[str]) -> None:
        """Remove files; missing ones are ignored."""


@dataclass(frozen=True)
class Lock:
    """A lock on a stack, with its holder."""

    key: str
    pid: int
    user: str
    host: str
    since: str


@dataclass(frozen=True)
class Engine:
    """An engine that a control plane has started, as it was recorded for its replicas."""

    host: str
    machine: str
    """On which the identities are valid (`kit.processes.machine`)."""
    pid: int
    identity: str
    """That of the engine's process."""
    controller: str
    """Identity of the process that waits for the operation."""
    mark: str
    """In the environment of all processes of the operation."""
    fence: int
    """Token of the lease, 0 without one."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a stack as an engine has written it."""

    resources: list[dict[str, Any]]
    """In their order, without those that are being deleted."""
    written: str | None
    """When that was, by the clock of its machine; None where there is no state."""
    pending: tuple[str, ...] = ()
    """URNs of what engines had begun and not ended when they were killed."""


class Stacks:
    """The stacks of a backend. Every method may raise STATE_UNREACHABLE or STATE_POOLED."""

    def __init__(self, url: str) -> None:
        scheme = urlsplit(url).scheme
        if scheme not in ("postgres", "postgresql", "file"):
            reason = f"the scheme {scheme!r} is not supported"
            raise STATE_UNREACHABLE(reason=reason)
        self._files: Files = _Directory(url) if scheme == "file" else _Rows(url)

    def exists(self, stack: str) -> bool:
        """Return whether the stack exists."""
        return self._read_json(f".pulumi/stacks/{PROJECT}/{stack}.json") is not None

    def checkpoint(self, stack: str) -> Checkpoint:
        """Return the last checkpoint."""
        content = self._read_json(f".pulumi/stacks/{PROJECT}/{stack}.json") or {}
        latest = (content.get("checkpoint") or {}).get("latest") or {}
        rows = [row for row in latest.get("resources") or [] if not row.get("delete")]
        pending = latest.get("pending_operations") or []
        return Checkpoint(
            rows,
            (latest.get("manifest") or {}).get("time"),
            tuple(str(operation["resource"]["urn"]) for operation in pending),
        )

    def versions(self) -> dict[str, str]:
        """Return when the checkpoint of each stack was written last, by the stack's name."""
        directory = f".pulumi/stacks/{PROJECT}/"
        return {
            name.removesuffix(".gz").removesuffix(".json"): at
            for key, at in self._files.times(directory).items()
            for name in [key.removeprefix(directory)]
            if name.endswith((".json", ".json.gz"))
        }

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """Return the resources of the last checkpoint."""
        return self.checkpoint(stack).resources

    def locks(self, stack: str) -> list[Lock]:
        """Return the locks on a stack."""
        locks = []
        for key in self._files.keys(f".pulumi/locks/organization/{PROJECT}/{stack}/"):
            content = self._files.read(key)
            if content is not None:  # released meanwhile
                lock = json.loads(content)
                locks.append(
                    Lock(key, lock["pid"], lock["username"], lock["hostname"], lock["timestamp"])
                )
        return locks

    def record(self, stack: str, engine: Engine) -> None:
        """Record that an engine was started."""
        self._files.write(_engine_key(stack, engine), json.dumps(vars(engine)).encode())

    def confirm(self, stack: str, engine: Engine) -> bool:
        """Record that an engine still runs; return False where its record was removed."""
        return self._files.touch(_engine_key(stack, engine))

    def engines(self, stack: str) -> list[tuple[Engine, float]]:
        """Return the recorded engines, with the seconds since each was last said to run."""
        found = []
        for key in self._files.keys(f".pulumi/engines/{PROJECT}/{stack}/"):
            age, content = self._files.age(key), self._files.read(key)
            if age is not None and content is not None:  # removed meanwhile
                found.append((Engine(**json.loads(content)), age))
        return found

    def forget(self, stack: str, engine: Engine) -> None:
        """Remove the record of an engine, whose lock is gone."""
        self._files.remove([_engine_key(stack, engine)])

    def zones(self, stack: str) -> dict[str, str]:
        """Return the zones (name by id) where records of a stack were written."""
        content = self._files.read(_zones_key(stack))
        return {} if content is None else dict(json.loads(content))

    def remember_zones(self, stack: str, zones: Mapping[str, str]) -> None:
        """Write the zones where records of a stack are written, instead of earlier ones."""
        if zones:
            self._files.write(_zones_key(stack), json.dumps(zones).encode())
        else:
            self._files.remove([_zones_key(stack)])

    def unlock(self, lock: Lock) -> None:
        """Remove a lock; the caller has checked that its holder is dead."""
        self._files.remove([lock.key])

    def prune(self, stack: str, *, keep: int) -> None:
        """Remove the history but for the newest `keep` updates, and all backups."""
        history = self._files.keys(f".pulumi/history/{PROJECT}/{stack}/")
        updates = sorted({_update(key) for key in history})
        old = set(updates[: max(len(updates) - keep, 0)])
        backups = self._files.keys(f".pulumi/backups/{PROJECT}/{stack}/")
        self._files.remove([key for key in history if _update(key) in old] + backups)

    def _read_json(self, key: str) -> dict[str, Any] | None:
        for name in (f"{key}.gz", key):
            content = self._files.read(name)
            if content is not None:
                plain = gzip.decompress(content) if content.startswith(COMPRESSED) else content
                parsed: dict[str, Any] = json.loads(plain)
                return parsed
        return None


def _engine_key(stack: str, engine: Engine) -> str:
    return f".pulumi/engines/{PROJECT}/{stack}/{engine.host}-{engine.pid}.json"


def _zones_key(stack: str) -> str:
    return f".pulumi/zones/{PROJECT}/{stack}.json"


def name_of(urn: str) -> str:
    """Return a resource's name, the last part of its URN."""
    return urn.rpartition("::")[2]


def _update(key: str) -> str:
    """Return the part that all files of an update share: `acme-1795529172211549208`."""
    return key.rsplit("/", 1)[-1].split(".", 1)[0]


class _Directory:
    """A backend of files: `file:///var/lib/state`."""

    def __init__(self, url: str) -> None:
        self._root = Path(unquote(urlsplit(url).path)).expanduser()

    def read(self, key: str) -> bytes | None:
        """Return a file's content."""
        try:
            return (self._root / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise STATE_UNREACHABLE(reason=error) from None

    def keys(self, prefix: str) -> list[str]:
        """List the files of a directory, without their attribute files."""
        directory = self._root / prefix
        names = sorted(file.name for file in directory.iterdir()) if directory.is_dir() else []
        return [prefix + name for name in names if not name.endswith(".attrs")]

    def times(self, prefix: str) -> dict[str, str]:
        """Return the times of the files of a directory."""
        return {
            key: str(path.stat().st_mtime_ns)
            for key in self.keys(prefix)
            for path in [self._root / key]
            if path.exists()
        }

    def write(self, key: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        path = self._root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write(path, content)
        except OSError as error:
            raise STATE_UNREACHABLE(reason=error) from None

    def touch(self, key: str) -> bool:
        """Set a file's time to now."""
        try:
            os.utime(self._root / key)
        except FileNotFoundError:
            return False
        return True

    def age(self, key: str) -> float | None:
        """Return the age of a file by the clock of this machine."""
        try:
            return time.time() - (self._root / key).stat().st_mtime
        except FileNotFoundError:
            return None

    def remove(self, keys: Sequence[str]) -> None:
        """Remove files and their attributes."""
        for key in keys:
            (self._root / key).unlink(missing_ok=True)
            (self._root / f"{key}.attrs").unlink(missing_ok=True)


class _Rows:
    """A backend in PostgreSQL: `postgres://user@host/database?table=pulumi_state`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        self._prefix = parts.path.strip("/") + "/"
        self._table = sql.Identifier(query.pop("table", "pulumi_state"))
        # An option of the engine's driver only.
        self._is_safe_in_a_pool = query.pop("binary_parameters", "") == "yes"
        self._dsn = urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query)))

    def read(self, key: str) -> bytes | None:
        """Return a row's content."""
        rows = self._run(SQL.read, key=self._prefix + key)
        return base64.b64decode(rows[0][0]) if rows else None

    def keys(self, prefix: str) -> list[str]:
        """List the rows below a prefix."""
        rows = self._run(SQL.keys, prefix=self._prefix + prefix)
        return [str(row[0]).removeprefix(self._prefix) for row in rows]

    def times(self, prefix: str) -> dict[str, str]:
        """Return when rows below a prefix were written."""
        rows = self._run(SQL.times, prefix=self._prefix + prefix)
        return {str(key).removeprefix(self._prefix): str(at) for key, at in rows}

    def write(self, key: str, content: bytes) -> None:
        """Write a row."""
        self._run(SQL.write, key=self._prefix + key, data=base64.b64encode(content).decode())

    def touch(self, key: str) -> bool:
        """Set a row's time to now."""
        return bool(self._run(SQL.touch, key=self._prefix + key))

    def age(self, key: str) -> float | None:
        """Return the age of a row by the clock of the database."""
        rows = self._run(SQL.age, key=self._prefix + key)
        return float(rows[0][0]) if rows else None

    def remove(self, keys: Sequence[str]) -> None:
        """Remove rows."""
        if keys:
            self._run(SQL.remove, keys=[self._prefix + key for key in keys])

    def _run(self, query: sql.SQL, **values: Any) -> list[tuple[Any, ...]]:
        try:
            with psycopg.connect(self._dsn, **CONNECTION) as connection:
                if not self._is_safe_in_a_pool and is_pooled(connection):
                    raise STATE_POOLED()
                return connection.execute(query.format(table=self._table), values).fetchall()
        except psycopg.errors.UndefinedTable:  # no engine has written yet
            return []
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            raise STATE_UNREACHABLE(reason=str(error).strip()) from None
