"""One VPS of the emulated account."""

from __future__ import annotations

from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass
class Upgrade:
    """The one open upgrade order of a VPS."""

    order: int
    rid: str
    before: str
    """The `rid` that a revert returns to."""
    usd: str
    paid: bool = False
    applied: bool = False
    """The server is RESIZED, until the upgrade is confirmed or reverted."""


@dataclass
class Server:
    """What the provider knows about a VPS."""

    serviceid: int
    userid: int
    srvrname: str
    main_ip: str
    password: str
    rid: str
    monthly: str
    """Its price when it was bought."""
    location_id: int
    template: str
    cycle: str
    visible_at: float
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    booted: Future[None] | None = None
    active_at: float = 0.0
    """Not earlier, even if the boot has ended."""
    open: bool = True
    """False: nothing reaches it, whatever its profiles say."""
    ips: list[str] = field(default_factory=list)
    coming: list[str] = field(default_factory=list)
    """Addresses that were bought and are not listed yet."""
    profiles: list[str] = field(default_factory=lambda: ["default"])
    moves: list[float] = field(default_factory=list)
    """When its main address was changed."""
    new_password: str | None = None
    """In force after the next reboot."""
    upgrade: Upgrade | None = None
    locked: bool = False
    suspended: bool = False
    off: bool = False

    @property
    def further(self) -> list[str]:
        """What was bought beside the main address, listed or not."""
        return [*(address for address in self.ips if address != self.main_ip), *self.coming]

    def wait_for_boot(self) -> None:
        """Return when the boot has ended, successfully or not."""
        if self.booted is not None:
            wait([self.booted])
