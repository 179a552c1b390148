"""A public authority in memory, and the records that answer it; each call can end the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from controlplane.authority.certificates import Issued, create_ca
from controlplane.certificates.keys import load_key
from controlplane.certificates.repository import Challenge
from controlplane.reconciler.authority import Account, Order, OrderStatus, Proof, Refused, Trouble
from controlplane.reconciler.issuance import Ports
from tests.support.points import Points

SOON = timedelta(milliseconds=1)


class Records:
    """Challenge records by name, of one provider."""

    def __init__(self, points: Points | None = None) -> None:
        self.published: dict[str, str] = {}
        self.at = points or Points()

    async def publish(self, tenant: str, name: str, content: str) -> None:
        """Set the record."""
        del tenant
        self.published[name] = content
        self.at("published")

    async def withdraw(self, tenant: str, name: str) -> None:
        """Remove the record."""
        del tenant
        self.at("withdraw")
        self.published.pop(name, None)
        self.at("withdrawn")


@dataclass
class MemoryOrder:
    """An order at the authority."""

    name: str
    status: OrderStatus = OrderStatus.PENDING
    reason: str = ""
    chain: str = ""


@dataclass
class MemoryAuthority:
    """Issues certificates for `life`; names in `refused` are not verified.

    Points: `order at URL` and so on before each request, `registered`, `ordered`, `answered` and
    `finalized` after it; of the records `published`, `withdraw`, `withdrawn`.
    """

    records: Records
    clock: Callable[[], datetime]
    directories: Sequence[str] = ("https://ca.example/directory",)
    life: timedelta = timedelta(days=90)
    refused: set[str] = field(default_factory=set)
    orders: dict[str, MemoryOrder] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at = self.records.at
        self._ca: Issued = create_ca("public", now=self.clock())

    def register(self, account: Account) -> str:
        """Register, or find by key."""
        self.at(f"register at {account.directory}")
        url = self.accounts.setdefault(account.private_key, f"account/{len(self.accounts)}")
        self.at("registered")
        return url

    def order(self, account: Account, name: str) -> str:
        """Order."""
        self._know(account, "order")
        url = f"{account.directory}/order/{len(self.orders)}"
        self.orders[url] = MemoryOrder(name)
        self.at("ordered")
        return url

    def look(self, account: Account, url: str, challenge: Challenge) -> Order:
        """Show an order."""
        self._know(account, "look")
        order = self.orders[url]
        proof = Proof(url, "token", "token.thumbprint", f"digest of {url}")
        proofs = [proof] if order.status is OrderStatus.PENDING else []
        assert challenge in Challenge
        return Order(order.status, proofs, order.reason, SOON)

    def answer(self, account: Account, proof: Proof) -> None:
        """Verify the record."""
        self._know(account, "answer")
        order = self.orders[proof.url]
        shown = self.records.published.get(order.name) == proof.digest
        if order.name in self.refused or not shown:
            order.status, order.reason = OrderStatus.INVALID, "unauthorized: no such record"
        else:
            order.status = OrderStatus.READY
        self.at("answered")

    def finalize(self, account: Account, url: str, request: bytes) -> None:
        """Issue."""
        self._know(account, "finalize")
        order, csr = self.orders[url], x509.load_pem_x509_csr(request)
        ca = x509.load_pem_x509_certificate(self._ca.certificate.encode())
        now = self.clock()
        leaf = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(ca.subject)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + self.life)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(order.name)]), critical=False)
            .sign(load_key(self._ca.private_key), hashes.SHA256())
        )
        order.chain = leaf.public_bytes(serialization.Encoding.PEM).decode()
        order.status = OrderStatus.VALID
        self.at("finalized")

    def chain(self, account: Account, url: str) -> str:
        """Return what was issued."""
        self._know(account, "chain")
        return self.orders[url].chain

    def _know(self, account: Account, point: str) -> None:
        self.at(f"{point} at {account.directory}")
        if self.accounts.get(account.private_key) != account.url:
            raise Refused(Trouble.NO_ACCOUNT, "accountDoesNotExist: it was forgotten")


def memory_ports(authority: MemoryAuthority | None = None, *, orders_a_week: int = 45) -> Ports:
    """Return the ports of an authority, or of none."""
    if authority is None:
        authority = MemoryAuthority(Records(), lambda: datetime.now().astimezone(), ())
    return Ports(authority, authority.records, orders_a_week)


def issuing(clock: Callable[[], datetime]) -> Ports:
    """Return the ports of an authority that issues what is ordered."""
    return memory_ports(MemoryAuthority(Records(), clock, ("https://ca.example/directory",)))
