"""A `Configurator` without hosts, for tests of what stands above it."""

from __future__ import annotations

import json

from blueprint.document import Blueprint
from controlplane.ansible.faults import SSH_REFUSED
from controlplane.ansible.host_variables import host_variables, secret_variables
from controlplane.reconciler.ports import HostSecrets, ObservedHost, Progress
from kit.faults import Fault


class MemoryConfigurator:
    """Remembers what it was told. `fail_next` makes the next call raise, once."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        """Public key installed, by host name."""
        self.configured: dict[str, str] = {}
        """What was configured last (JSON), by host name."""
        self.runs: list[str] = []
        """Host names in the order of `configure` calls."""
        self._failures: list[Fault] = []

    def fail_next(self, error: Fault) -> None:
        """Raise this at the next call of either method."""
        self._failures.append(error)

    def first_contact(
        self,
        host: ObservedHost,
        *,
        ssh_public_key: str,
        password: str | None,
        progress: Progress,
        ssh_private_key: str | None = None,
    ) -> str:
        """Accept the key; a password is needed unless it is there already."""
        del ssh_private_key
        self._maybe_fail()
        if self.keys.get(host.name) != ssh_public_key and password is None:
            raise SSH_REFUSED(reason="no password is known", where=f"host/{host.name}")
        self.keys[host.name] = ssh_public_key
        progress(f"{host.name}: our key is installed")
        return f"{host.primary_ip} ssh-ed25519 AAAA-{host.name}"

    def configure(
        self,
        blueprint: Blueprint,
        host: ObservedHost,
        secrets: HostSecrets,
        *,
        known_host: str,
        progress: Progress,
    ) -> int:
        """Compare with the last call: 0 where nothing differs, as the playbooks would say."""
        del known_host
        self._maybe_fail()
        wanted = host_variables(blueprint, host, secrets)
        del wanted["digest"]
        text = json.dumps([wanted, secret_variables(secrets)], sort_keys=True)
        self.runs.append(host.name)
        changed = int(self.configured.get(host.name) != text)
        self.configured[host.name] = text
        progress(f"{host.name}: {'changed' if changed else 'ok'}: configuration in memory")
        return changed

    def _maybe_fail(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
