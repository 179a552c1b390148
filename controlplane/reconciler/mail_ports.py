"""The ports of the reconciler to mail on hosts: what waits there, and the mailboxes of people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from controlplane.mailboxes.repository import Question
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals
from controlplane.mailu.stopping import Stops
from controlplane.reconciler.ports import Finding, Login, ObservedHost, Progress


@dataclass(frozen=True)
class Spooled:
    """The queue ids of mail that waits on a host to be sent."""

    at_address: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By the name of the address."""
    of_return_path: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By the domain of return paths: mail from there, and bounces that go there."""
    of_people: Collection[str] = ()
    """In the queue of Mailu: what people have written, and what is not in their mailboxes yet."""


class Spools(Protocol):
    """The mail that waits on hosts to be sent. The call blocks; run it in a thread."""

    def look(
        self,
        host: ObservedHost,
        login: Login,
        addresses: Collection[str],
        return_paths: Collection[str] = (),
    ) -> Spooled:
        """Return what waits at a host's addresses, and of return paths; raises a fault."""


class Mailboxes(Protocol):
    """The mailboxes of hosts with Mailu. The call blocks; run it in a thread."""

    def reconcile(
        self,
        host: ObservedHost,
        login: Login,
        token: str,
        tenants: Sequence[TenantMail],
        removals: Removals,
        own: OwnTokens,
        *,
        progress: Progress,
    ) -> Plan:
        """Bring a host to what its tenants declare, and return what is left; raises a fault."""

    def stop(
        self, host: ObservedHost, login: Login, token: str, stops: Stops, *, progress: Progress
    ) -> None:
        """Close mailboxes that are stopped, and open those that are no more; raises a fault.

        A run of the playbooks of the same lease may be under way on the host.
        """

    def move(
        self, host: ObservedHost, login: Login, addresses: Collection[str], *, progress: Progress
    ) -> None:
        """Move the mail that a host has of the time before Mailu into mailboxes, which exist.

        Raises a fault unless all of it is there.
        """

    def answer(
        self,
        host: ObservedHost,
        login: Login,
        token: str,
        tenant: str,
        questions: Sequence[Question],
    ) -> list[dict[str, Any]]:
        """Answer questions about a tenant's mailboxes; raises a fault where none is reached.

        Answers have secrets.
        """


@dataclass(frozen=True)
class OwnMailbox:
    """A mailbox of ours on a host with Mailu, through which mail of a domain is tried."""

    domain: str
    address: str
    token: str = field(repr=False)
    ip: str
    """Of the host's primary address."""
    name: str
    """Of the host, which its certificate has."""
    authority: str | None
    """The tenant's own authority (PEM), which has issued the certificate; None: a public one."""
    selector: str
    """Of the key by which the domain's mail is signed."""


class RoundTrips(Protocol):
    """Mail of people, tried in both directions. The call blocks; run it in a thread."""

    def attempt(self, mailbox: OwnMailbox, *, progress: Progress) -> Sequence[Finding]:
        """Send a mail to the mailbox and read it, and one from there that comes back."""
