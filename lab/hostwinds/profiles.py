"""Firewall profiles: the provider's own, and those that a person made in the portal.

A profile has only allow-rules; what no rule of a server's profiles allows is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.ports import Rule

READY = {
    "default": (22, 80, 443),
    "smtp": (25, 465, 587, 993, 995),
    "web": (80, 443),
}
"""The provider's own profiles, with the TCP ports that they let in. There is no ready `custom`."""


class Profiles:
    """The profiles of an account by the name that the API uses."""

    def __init__(self) -> None:
        self._documents = {name: _document(name, *_open(*ports)) for name, ports in READY.items()}

    def make(self, name: str, ports: Sequence[int], rules: Sequence[dict[str, Any]]) -> None:
        """Make a profile or replace its rules: TCP ports in and everything out, or `rules`."""
        self._documents[name] = _document(name, *(rules or _open(*ports)))

    def remove(self, name: str) -> None:
        """Remove a profile; idempotent."""
        self._documents.pop(name, None)

    def names(self, *, own: bool = True) -> list[str]:
        """List the names; without the account's own ones for a key of another account."""
        return [name for name in self._documents if own or name in READY]

    def document(self, name: str) -> dict[str, Any]:
        """Return a profile as the API shows it; without rules where it was removed."""
        return self._documents.get(name) or _document(name)

    def rules(self, names: Sequence[str]) -> list[Rule]:
        """Return what a port that has these profiles allows: the rules of all of them."""
        return [
            Rule(
                rule["direction"],
                rule["protocol"],
                rule["port_range_min"] or 0,
                rule["port_range_max"] or 65535,
            )
            for name in names
            for rule in self.document(name)["security_group_rules"]
            if rule["ethertype"] == "IPv4"
        ]


def rule(
    direction: str, ethertype: str, protocol: str | None, first: int | None, last: int | None
) -> dict[str, Any]:
    """Return a rule as the API shows it; None is every protocol or port."""
    return {
        "direction": direction,
        "ethertype": ethertype,
        "protocol": protocol,
        "port_range_min": first,
        "port_range_max": last,
        "description": "",
    }


def _open(*ports: int) -> list[dict[str, Any]]:
    families = ("IPv4", "IPv6")
    return [
        *(rule("ingress", family, "tcp", port, port) for port in ports for family in families),
        *(rule("egress", family, None, None, None) for family in families),
    ]


def _document(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"profile-{name}",
        "name": name,
        "description": "",
        "security_group_rules": list(rules),
    }
