"""Removes the files of mailboxes and domains that Mailu leaves on a host when they are removed."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from blueprint.naming import RESERVED_SELECTORS
from controlplane.ansible.faults import UNREACHABLE
from controlplane.ansible.host_fence import fenced
from controlplane.ansible.sessions import DIRECTORY, ending
from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.ports import Login, ObservedHost

AT_ONCE = 500
"""Names in one command, whose length has a limit."""
SCRIPT = """\
cd {directory} || exit 1
{ending}remove() {{
    case $1 in
        */*) echo "$1"; return;;
        *@*) set -- "$1" "mail/$1";;
        *) set -- "$1" mail/*"@$1" {keys};;
    esac
    name=$1; shift
    for file; do
        rm -rf "$file"
        test ! -e "$file" || echo "$name"
    done
}}
for each in {names}; do remove "$each"; done
echo end"""
"""Ends the sessions that are open, which could write more, and prints the names of what is left."""


def purge(host: ObservedHost, login: Login, names: Collection[str]) -> set[str]:
    """Remove files from a host; return the names of which some are left. Raises a fault."""
    ordered, left = sorted(names), set[str]()
    for start in range(0, len(ordered), AT_ONCE):
        command = purge_command(ordered[start : start + AT_ONCE])
        status, output = OpenSsh().run(host, login, fenced(login, command))
        *lines, last = output.split("\n")[:-1] or [""]
        if status != 0 or last != "end":
            reason = "files of removed mailboxes cannot be removed"
            raise UNREACHABLE(reason=reason, where=f"host/{host.name}")
        left |= set(lines)
    return left


def purge_command(names: Collection[str], directory: str = DIRECTORY) -> str:
    """Return what a host runs."""
    sessions = [name if "@" in name else f"*@{name}" for name in names]
    return SCRIPT.format(
        directory=shlex.quote(directory),
        ending=ending(sessions),
        keys=" ".join(f'"dkim/$1.{selector}.key"' for selector in RESERVED_SELECTORS),
        names=shlex.join(names),
    )
