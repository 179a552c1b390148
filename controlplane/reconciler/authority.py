"""The ports of phase `certificates`: a public authority, and where its challenges are answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from controlplane.certificates.repository import Challenge


class Trouble(StrEnum):
    """What an authority's refusal means."""

    REFUSED = "refused"
    """A new order may be granted."""
    LIMITED = "limited"
    """Too many were asked for."""
    PASSING = "passing"
    """No answer, or an error of its own: the same order may continue."""
    NO_ACCOUNT = "no account"
    """It does not know our account."""


class Refused(Exception):
    """A request that an authority has not granted."""

    def __init__(self, trouble: Trouble, reason: str, wait: timedelta | None = None) -> None:
        """`wait` is how long it asks us to wait (Retry-After)."""
        super().__init__(reason)
        self.trouble = trouble
        self.wait = wait


@dataclass(frozen=True)
class Account:
    """An account at an authority, known by its key."""

    directory: str
    private_key: str = field(repr=False)
    url: str = ""


@dataclass(frozen=True)
class Proof:
    """What the authority wants to see of a name, and has not been asked to look at yet."""

    url: str
    """Of the challenge."""
    token: str
    key_authorization: str
    """Content of the file of HTTP-01."""
    digest: str
    """Content of the TXT record of DNS-01."""


class OrderStatus(StrEnum):
    """As in RFC 8555 7.1.6."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True)
class Order:
    """An order as the authority shows it."""

    status: OrderStatus
    proofs: Sequence[Proof] = ()
    """Those of a pending one that wait for us; none while the authority looks."""
    reason: str = ""
    """Why it is invalid."""
    wait: timedelta | None = None
    """How long the authority asks us to wait for the next look."""


class Authority(Protocol):
    """Public authorities (ACME). All calls block; run them in a thread; they raise Refused."""

    @property
    def directories(self) -> Sequence[str]:
        """URLs of the authorities in use, the preferred one first."""

    def register(self, account: Account) -> str:
        """Register an account or find it by its key; return its URL."""

    def order(self, account: Account, name: str) -> str:
        """Order a certificate for a name; return the order's URL."""

    def look(self, account: Account, url: str, challenge: Challenge) -> Order:
        """Return an order."""

    def answer(self, account: Account, proof: Proof) -> None:
        """Ask the authority to look at an answer, which is published."""

    def finalize(self, account: Account, url: str, request: bytes) -> None:
        """Give the signing request of an order that is ready."""

    def chain(self, account: Account, url: str) -> str:
        """Return the chain of a valid order, PEM, leaf first."""


class ChallengeRecords(Protocol):
    """TXT records of challenges at the DNS provider. The calls raise faults."""

    async def publish(self, tenant: str, name: str, content: str) -> None:
        """Let the challenge record of a name have one content, ours; idempotent.

        Returns when all of the zone's own servers show it.
        """

    async def withdraw(self, tenant: str, name: str) -> None:
        """Remove our challenge records of a name. Idempotent."""
