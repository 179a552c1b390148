"""A test double of the port `Configurator`: hosts in memory.

It passes `tests/support/configurator_conformance.py`, as the real configurator does.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from blueprint.document import Blueprint
from controlplane.ansible.faults import HOST_KEY_CHANGED, SSH_REFUSED, SUPERSEDED, UNREACHABLE
from controlplane.ansible.host_variables import host_variables, secret_variables
from controlplane.ansible.playbooks import digests_of
from controlplane.reconciler.ports import (
    HostSecrets,
    MailServer,
    ObservedHost,
    Progress,
    SubmissionUser,
)
from kit.faults import Fault
from tests.support.points import Points

PASSWORD = "first"
"""The provider's root password of every host."""


class MemoryConfigurator:
    """Reachable hosts that accept `PASSWORD` and store the configuration applied to them.

    Points of a host `mx1`: `first contact with mx1`, `accepted by mx1`, `configuring mx1`,
    `configured mx1`.
    """

    def __init__(self, points: Points | None = None) -> None:
        self.dead: set[str] = set()
        """Names of hosts that do not answer."""
        self.runs: list[str] = []
        """Host names in the order of `configure` calls that succeeded."""
        self.given: dict[str, list[dict[str, Any]]] = {}
        """By host: variables and secrets of the last of these calls."""
        self.playbooks = "playbooks"
        """Digest of playbooks and settings."""
        self._fences: Counter[str] = Counter()
        """The largest token of a run, by the label of its server."""
        self._keys: dict[str, set[str]] = defaultdict(set)
        """Public and private keys that a server accepts, by its label."""
        self._applied: dict[str, str] = {}
        self._installed: Counter[str] = Counter()
        self._failures: dict[str, list[Fault]] = defaultdict(list)
        self._at = points or Points()

    def fail_next(self, host: str, fault: Fault) -> None:
        """Make the next call for a host raise a fault."""
        self._failures[host].append(fault)

    def reinstall(self, host: ObservedHost) -> None:
        """Give a host another key; it accepts the provider's password again."""
        self._installed[host.server_name] += 1
        self.remove_keys(host)

    def remove_keys(self, host: ObservedHost) -> None:
        """Remove all accepted keys of a host."""
        self._keys.pop(host.server_name, None)

    def digests(
        self,
        blueprint: Blueprint,
        host: ObservedHost,
        users: Collection[SubmissionUser],
        *,
        mail_server: MailServer | None = None,
    ) -> tuple[str, str]:
        """Return the digests as the real one does."""
        return digests_of(host_variables(blueprint, host, users, mailu=mail_server), self.playbooks)

    def first_contact(
        self,
        host: ObservedHost,
        *,
        ssh_public_key: str,
        password: str | None,
        progress: Progress,
        ssh_private_key: str | None = None,
    ) -> str:
        """Accept the key; a password is needed unless the host accepts it already."""
        self._at(f"first contact with {host.name}")
        self._reach(host)
        accepted = self._keys[host.server_name]
        if ssh_private_key not in accepted and password != PASSWORD:
            raise SSH_REFUSED(reason="password", where=f"host/{host.name}")
        accepted |= {ssh_public_key, ssh_private_key or ssh_public_key}
        progress(f"{host.name}: our key is installed")
        self._at(f"accepted by {host.name}")
        return self._host_key(host)

    def configure(
        self,
        blueprint: Blueprint,
        host: ObservedHost,
        secrets: HostSecrets,
        *,
        known_host: str,
        progress: Progress,
        mail_server: MailServer | None = None,
        fence: int | None = None,
        discards: int | None = None,
    ) -> int:
        """Apply variables to a host; 0 where nothing differs, as the playbooks would report."""
        self._at(f"configuring {host.name}")
        self._reach(host)
        if known_host != self._host_key(host):
            raise HOST_KEY_CHANGED(where=f"host/{host.name}")
        if secrets.ssh_private_key not in self._keys[host.server_name]:
            raise SSH_REFUSED(reason="key", where=f"host/{host.name}")
        if fence is not None:
            if fence < self._fences[host.server_name]:
                raise SUPERSEDED(where=f"host/{host.name}")
            self._fences[host.server_name] = fence
        variables = host_variables(
            blueprint, host, secrets.users, mailu=mail_server, discards=discards
        )
        given = [variables, secret_variables(secrets)]
        text = json.dumps(given, sort_keys=True)
        self.runs.append(host.name)
        self.given[host.name] = given
        changed = int(self._applied.get(host.server_name) != text)
        self._applied[host.server_name] = text
        progress(f"{host.name}: {'changed' if changed else 'ok'}: configuration in memory")
        self._at(f"configured {host.name}")
        return changed

    def _reach(self, host: ObservedHost) -> None:
        if self._failures[host.name]:
            raise self._failures[host.name].pop(0)
        if host.name in self.dead:
            raise UNREACHABLE(reason="no route", where=f"host/{host.name}")

    def _host_key(self, host: ObservedHost) -> str:
        count = self._installed[host.server_name]
        return f"{host.name} ssh-ed25519 AAAA-{host.server_name}-{count}"
