"""Tenants' documents, and how they are edited from one to the next."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

PLATFORM_ZONE = "penguinmails.example"
HOSTS = ("mx1", "mx2", "mx3")
MOST_HOSTS, MOST_ADDRESSES = 2, 3
DELETED = 0.15
"""How likely an edit deletes the tenant."""


@dataclass
class Tenant:
    """What is declared of a tenant."""

    name: str
    hosts: dict[str, int] = field(default_factory=dict)
    """Addresses by host; none: the tenant is to be deleted."""

    @property
    def zone(self) -> str:
        """Return its domain, in which its hosts are named."""
        return f"{self.name}.example"

    def document(self) -> dict[str, object]:
        """Return the document of the API."""
        return {
            "apiVersion": "penguinmails.dev/v1",
            "kind": "Tenant",
            "metadata": {"name": self.name},
            "spec": {
                "plan": "business",
                "region": "us-west",
                "hosts": [
                    {"name": name, "size": "business", "addresses": count, "zone": self.zone}
                    for name, count in self.hosts.items()
                ],
                "domains": [{"name": self.zone, "dns": "cloudflare"}],
                "sending": {"postal_address": "Springfield"},
            },
        }

    def edit(self, chance: random.Random) -> str:
        """Change what is declared; return how."""
        if not self.hosts:
            self.hosts = {HOSTS[0]: chance.randint(1, 2)}
            return "created"
        if chance.random() < DELETED:
            self.hosts = {}
            return "deleted"
        missing = [name for name in HOSTS if name not in self.hosts]
        ways = ["addresses"]
        ways += ["host added"] if len(self.hosts) < MOST_HOSTS else ["host removed"] * 2
        way = chance.choice(ways)
        if way == "host added":
            self.hosts[chance.choice(missing)] = chance.randint(1, 2)
        elif way == "host removed":
            del self.hosts[chance.choice(list(self.hosts))]
        else:
            name = chance.choice(list(self.hosts))
            counts = [n for n in range(1, MOST_ADDRESSES + 1) if n != self.hosts[name]]
            self.hosts[name] = chance.choice(counts)
        return way
