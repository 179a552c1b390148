"""What is declared of a tenant, and what of it may be edited."""

from __future__ import annotations

from dataclasses import dataclass, field

HOSTS = ("mx1", "mx2", "mx3")
TENANTS = ("a", "b")
SHARED = "shared.example"
"""A domain that any tenant may declare, one at a time."""
MOST_ADDRESSES = 3


@dataclass(frozen=True)
class Declared:
    """A tenant as its document says."""

    name: str
    hosts: dict[str, int] = field(default_factory=lambda: {"mx1": 1})
    """Addresses by host."""
    has_shared: bool = False
    """Whether it has the domain SHARED, too."""
    mailboxes: tuple[str, ...] = ("sales",)
    """Local parts, in its own domain."""

    @property
    def zone(self) -> str:
        """Return its domain, in which its hosts are named."""
        return f"{self.name}.example"

    @property
    def domains(self) -> list[str]:
        """Return its domains."""
        return [self.zone, *([SHARED] if self.has_shared else [])]

    @property
    def addresses(self) -> set[str]:
        """Return the addresses of its mailboxes."""
        return {f"{local}@{self.zone}" for local in self.mailboxes}

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
                    {
                        "name": name,
                        "size": "business",
                        "addresses": count,
                        "zone": self.zone,
                        "mail": "none",
                    }
                    for name, count in self.hosts.items()
                ],
                "domains": [{"name": name} for name in self.domains],
                "mailboxes": [{"address": address} for address in sorted(self.addresses)],
                "sending": {"postal_address": "Springfield"},
            },
        }
