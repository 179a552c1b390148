"""Locks of stacks: those of dead engines that we started are removed, any other is respected."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from controlplane.pulumi.faults import LOCKED
from kit import files
from kit.faults import Fault
from kit.leftovers import end_leftovers
from kit.processes import identity, is_running
from stacks.backend import Lock, Stacks

RECORDS = "engines"


def record_engine(directory: Path, pid: int, controller: str, mark: str) -> Path:
    """Record an engine that we started; return the path of the record.

    The caller removes it when the engine has ended by itself: a killed engine leaves its lock.
    """
    record = directory / RECORDS / str(pid)
    record.parent.mkdir(parents=True, exist_ok=True)
    content = {"engine": identity(pid), "controller": controller, "mark": mark}
    files.write(record, json.dumps(content))
    return record


def clear_stale_locks(stacks: Stacks, stack: str, directory: Path) -> list[Lock]:
    """Remove the locks of dead engines that we started; return them.

    An engine that outlived its controller is ended first. Raises a fault
    `cloud.locked` for any other lock. Only the holder of the tenant's lease may call this.
    """
    removed = []
    for lock in stacks.locks(stack):
        record = directory / RECORDS / str(lock.pid)
        if lock.host != socket.gethostname() or not _is_stale(lock, record):
            raise locked(stack, lock)
        stacks.unlock(lock)
        record.unlink(missing_ok=True)
        removed.append(lock)
    # Of engines that were killed without a lock.
    for record in (directory / RECORDS).glob("[0-9]*"):
        if identity(int(record.name)) is None:
            record.unlink(missing_ok=True)
    return removed


def _is_stale(lock: Lock, record: Path) -> bool:
    running = identity(lock.pid)
    try:
        content = json.loads(record.read_text())
    except FileNotFoundError:
        return False
    if running is None or running != content["engine"]:
        return True
    if is_running(str(content["controller"])):
        return False
    end_leftovers(str(content["mark"]))
    return True


def locked(stack: str, lock: Lock) -> Fault:
    """Return the fault that names the holder of a stack."""
    holder = f"{lock.user}@{lock.host} (process {lock.pid}) since {lock.since}"
    return LOCKED(holder=holder, stack=stack, where=f"stack/{stack}")
