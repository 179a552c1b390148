"""Lets a host refuse mail for now while Mailu is given domains: their mailboxes are made later."""

from __future__ import annotations

from controlplane.ansible.faults import UNREACHABLE
from controlplane.ansible.host_fence import fenced
from controlplane.ansible.shell import OpenSsh
from controlplane.reconciler.ports import Login, ObservedHost

RULES = "/etc/penguin/incomplete.nft"
"""Of the role `inbound`. They end by themselves, as when the control plane is killed meanwhile."""
HOLD = f"[ ! -e {RULES} ] || nft -f {RULES}"
"""A host that was configured by an earlier version has no rules yet."""
RELEASE = "nft delete table ip incomplete 2>/dev/null; true"


def hold(host: ObservedHost, login: Login) -> None:
    """Answer new mail 450; raises a fault."""
    _run(host, login, HOLD)


def release(host: ObservedHost, login: Login) -> None:
    """Take mail again; raises a fault."""
    _run(host, login, RELEASE)


def _run(host: ObservedHost, login: Login, command: str) -> None:
    status, output = OpenSsh().run(host, login, fenced(login, f"{{ {command}; }} 2>&1"))
    if status != 0:
        reason = f"its mail cannot be held: {output.strip() or status}"
        raise UNREACHABLE(reason=reason, where=f"host/{host.name}")
