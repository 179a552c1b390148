"""Locks of stacks: those of dead engines that we started are removed, any other is kept."""

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

NOTES = "engines"


def note_engine(directory: Path, pid: int, controller: str, mark: str) -> Path:
    """Record an engine that we started, in the file that is returned.

    It is removed when the engine has ended by itself: a killed one has left its lock.
    """
    note = directory / NOTES / str(pid)
    note.parent.mkdir(parents=True, exist_ok=True)
    content = {"engine": identity(pid), "controller": controller, "mark": mark}
    files.write(note, json.dumps(content))
    return note


def clear_stale_locks(stacks: Stacks, stack: str, directory: Path) -> list[Lock]:
    """Remove the locks of dead engines that we started; return them.

    An engine that outlived its controller is ended first. Raises a fault
    `cloud.locked` for any other lock. Only the holder of the tenant's lease may call this.
    """
    removed = []
    for lock in stacks.locks(stack):
        note = directory / NOTES / str(lock.pid)
        if lock.host != socket.gethostname() or not _is_stale(lock, note):
            raise locked(stack, lock)
        stacks.unlock(lock)
        note.unlink(missing_ok=True)
        removed.append(lock)
    for note in (directory / NOTES).glob("[0-9]*"):  # of engines that were killed without a lock
        if identity(int(note.name)) is None:
            note.unlink(missing_ok=True)
    return removed


def _is_stale(lock: Lock, note: Path) -> bool:
    running = identity(lock.pid)
    try:
        content = json.loads(note.read_text())
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
