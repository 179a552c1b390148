"""How the control plane gets into its own mailbox of each domain: by one token that it keeps.

A token whose secret was lost, since its answer or what keeps it did not arrive, is found by its
name and revoked.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from blueprint.naming import system_mailbox
from controlplane.mailu.access import Mailbox, make_token, revoke_token, tokens
from controlplane.mailu.api import Api
from controlplane.mailu.faults import NO_MAILBOX
from kit.faults import Fault

PREFIX = "control plane "
"""Of the names of our tokens; what follows is another one each time."""
NAME_BYTES = 8


@dataclass(frozen=True)
class OwnTokens:
    """The tokens of a tenant's domains."""

    tenant: str
    kept: Mapping[str, str] = field(default_factory=dict)
    """By domain: the name of the token that is kept; empty where there is none."""
    keep: Callable[[str, str, str], None] = lambda *_: None
    """Seals the token of a domain: domain, name and secret. Returns when that is stored."""


def ensure_tokens(api: Api, own: OwnTokens, progress: Callable[[str], None]) -> None:
    """Make what is missing, and revoke what nothing can log in with; raises a fault.

    A mailbox that is not there, or not ours, is left out: what the host lacks says so.
    """
    for domain, kept in own.kept.items():
        box = Mailbox(own.tenant, system_mailbox(domain))
        try:
            ours = [each.name for each in tokens(api, box) if each.name.startswith(PREFIX)]
        except Fault as fault:
            if fault.code is not NO_MAILBOX:
                raise
            continue
        for name in {*ours} - {kept}:
            revoke_token(api, box, name)
        if kept not in ours:
            name = PREFIX + secrets.token_hex(NAME_BYTES)
            own.keep(domain, name, make_token(api, box, name))
            progress(f"made token of {box.address}")
