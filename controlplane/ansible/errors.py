"""What a failed task means: the stable code and the remedy for the words that a module used."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controlplane.reconciler.ports import ProvisioningError


@dataclass(frozen=True)
class Failure:
    """A task that failed, with the module's words."""

    task: str
    message: str
    unreachable: bool


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    code: str
    remedy: str
    retryable: bool = True


def _rule(pattern: str, code: str, remedy: str, *, retryable: bool = True) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), code, remedy, retryable)


_UNREACHABLE = (
    _rule(
        "host key verification failed|remote host identification has changed|"
        "no .* host key is known",
        "hosts.host_key_changed",
        "The host answers with another key than at first contact. If it was reinstalled on "
        "purpose, replace the host (a new incarnation); else find out who answers there.",
        retryable=False,
    ),
    _rule(
        "permission denied|too many authentication failures|authentication failed",
        "hosts.ssh_refused",
        "The host does not accept the tenant's key any more. Put it back into "
        "/root/.ssh/authorized_keys by the provider's console, or replace the host.",
    ),
)
_FAILED = (
    _rule(
        "no space left on device|disk quota exceeded|enough free space",
        "hosts.disk_full",
        "Free space on the host (`df -h`, `journalctl --vacuum-size=100M`), or choose a larger "
        "size.",
    ),
    _rule(
        "failed to fetch|failed to update apt cache|no package matching|unable to locate package|"
        "could not resolve|unable to correct problems|apt.* failed",
        "hosts.packages_unavailable",
        "Check that the host reaches its package sources (`apt-get update` on the host) and that "
        "PENGUIN settings name the right ones.",
    ),
    _rule(
        "interpreter.* was not found|python3: (command )?not found",
        "hosts.python_missing",
        "Install python3 on the host, or order an image that has it (Debian 12).",
        retryable=False,
    ),
    _rule(
        "could not get lock|failed to lock apt",
        "hosts.package_manager_busy",
        "Another installation runs on the host; it is tried again when that has ended.",
    ),
)


def explain(failure: Failure, host: str) -> ProvisioningError:
    """The error that a person or the reconciler can act on."""
    where = f"host/{host}"
    for rule in _UNREACHABLE if failure.unreachable else _FAILED:
        if rule.pattern.search(failure.message):
            return ProvisioningError(
                rule.code,
                f"{host}: {failure.task}: {failure.message}",
                remedy=rule.remedy,
                retryable=rule.retryable,
                where=where,
            )
    if failure.unreachable:
        return ProvisioningError(
            "hosts.unreachable",
            f"{host} does not answer on SSH: {failure.message}",
            remedy="Check power and firewall profile at the provider; port 22 must be open.",
            where=where,
        )
    return ProvisioningError(
        "hosts.playbook_failed",
        f'{host}: task "{failure.task}" failed: {failure.message}',
        remedy="Mend what the message names; the next run starts again and changes only the rest.",
        where=where,
    )
