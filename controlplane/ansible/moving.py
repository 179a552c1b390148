"""Moves the mail that a host has of the time before Mailu into its mailboxes there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection
from pathlib import Path

from controlplane.ansible import moved_maildirs
from controlplane.ansible.faults import MAIL_NOT_MOVED
from controlplane.ansible.host_fence import fenced
from controlplane.ansible.sessions import DIRECTORY
from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.ports import Login, ObservedHost, Progress

PEOPLE = "/var/mail/penguin/people"
"""The Maildirs of before (`inbound_maildirs` of the role)."""
AT_ONCE = 200
"""Names in one command, whose length has a limit."""


Run = Callable[[ObservedHost, Login, str], tuple[int, str]]
"""Runs a command on a host; returns its status and output."""


def move_mail(
    host: ObservedHost,
    login: Login,
    names: Collection[str],
    progress: Progress,
    run: Run | None = None,
) -> None:
    """Move the mail of mailboxes, all of which exist; raises a fault unless all of it is there."""
    run = run or OpenSsh().run
    ordered = sorted(names)
    before = after = 0
    for start in range(0, len(ordered), AT_ONCE):
        command = move_command(ordered[start : start + AT_ONCE])
        status, output = run(host, login, fenced(login, command))
        lines = output.splitlines()
        if status != 0:
            reason = lines[-1] if lines else "nothing was said"
            raise MAIL_NOT_MOVED(reason=reason, where=f"host/{host.name}")
        for name, found, moved in map(json.loads, lines):
            if found:
                progress(f"{name}: {found} mail(s) in the old Maildir, {moved} moved to Mailu")
            before, after = before + found, after + moved
    if before != after:
        reason = f"of {before} mails {after} were moved"
        raise MAIL_NOT_MOVED(reason=reason, where=f"host/{host.name}")
    progress(f"{host.name}: moved {after} mail(s) of {len(ordered)} mailbox(es)")


def move_command(names: Collection[str], people: str = PEOPLE, mailu: str = DIRECTORY) -> str:
    """Return what a host runs."""
    program = Path(moved_maildirs.__file__).read_text()
    arguments = [people, f"{mailu}/mail", json.dumps(list(names))]
    return shlex.join(["python3", "-c", program, *arguments]) + " 2>&1"
