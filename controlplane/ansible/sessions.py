"""Ends the open sessions of mailboxes on a host: Mailu ends logins, and no session."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from controlplane.ansible.faults import UNREACHABLE
from controlplane.ansible.host_fence import fenced
from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.ports import Login, ObservedHost

DIRECTORY = "/mailu"
"""Of everything that Mailu stores (`mailu_directory` of the role)."""
DOVECOTS = {"front": "proxy kick", "imap": "kick"}
"""By container: how its sessions are ended. `front` passes those of 465 on."""
SCRIPT = """\
timeout 60 docker compose exec -T {container} sh -c 'for user; do doveadm {kick} "$user"; done' \
    sh {names} >/dev/null 2>&1
"""
"""The status says nothing: that of a mailbox without a session is no success."""


def ending(names: Collection[str]) -> str:
    """Return what a host runs in the directory of Mailu; names may be patterns."""
    return "".join(
        SCRIPT.format(container=container, kick=kick, names=shlex.join(names))
        for container, kick in DOVECOTS.items()
    )


def end_sessions(host: ObservedHost, login: Login, names: Collection[str]) -> None:
    """End the sessions of mailboxes; raises a fault where the host is not reached."""
    command = f"cd {DIRECTORY} || exit 1\n{ending(names)}true"
    status, _ = OpenSsh().run(host, login, fenced(login, command))
    if status != 0:
        raise UNREACHABLE(reason=f"it has no {DIRECTORY}", where=f"host/{host.name}")
