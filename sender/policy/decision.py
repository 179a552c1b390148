"""Now or later, and why: a pure decision over a snapshot, for all mail of a sender.

In order: stops, published, postal address, verified, warm-up caps, address. The reasons are stable
codes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from blueprint.warmup import ADDRESS, MAILBOX
from sender.directory import (
    DirectoryEntry,
    SendingAddress,
    SendingDomain,
    SendingMailbox,
    Snapshot,
)
from sender.footer import Footer
from sender.schemas import StopScope
from sender.stops import Mail
from sender.stops.matching import Sent

LOOK_AGAIN = timedelta(minutes=15)
"""When mail that waits for a change is decided about again, in case that the change was missed."""


class Sender(Sent, Protocol):
    """What a message is sent from."""

    @property
    def transactional(self) -> bool:
        """Whether it is no campaign mail."""


@dataclass(frozen=True)
class Route:
    """How a message goes out, and the caps that its hand-over counts against."""

    address: SendingAddress
    domain: SendingDomain
    address_cap: int
    mailbox: SendingMailbox
    """The mailbox that the From address counts as, with its cap of today."""
    settles_home: bool
    """True when this address becomes the home of the From domain."""
    known: tuple[str, ...]
    """Names of the tenant's addresses: a home that is none of them is gone."""
    footer: Footer | None
    """Of campaign mail; None only for transactional mail."""


@dataclass(frozen=True)
class Decision:
    """A route, or why there is none now."""

    reason: str
    message: str
    until: datetime | None = None
    """When to look again, without a route."""
    route: Route | None = None


def decide(snapshot: Snapshot, message: Sender, *, now: datetime) -> Decision:
    """Decide about the mail of one sender at one moment.

    The same input always gives the same answer.
    """
    again = now + LOOK_AGAIN
    entry = snapshot.entry
    mailbox = None if entry is None else entry.mailbox_of(message.from_address)
    mail = Mail.of(message, mailbox=None if mailbox is None else mailbox.address)
    stopped = next(filter(mail.is_held_by, snapshot.stops), None)
    if stopped is not None:
        return _later(again, "stopped", stopped.sentence)
    if entry is None:
        return _later(again, "not_published", "no domain of the tenant has been activated yet")
    domain = _domain(entry, message.from_domain)
    if domain is None:
        words = f"{message.from_domain} is not published yet, or no longer a domain of the tenant"
        return _later(again, "domain_unknown", words)
    if mailbox is None:
        words = f"{message.from_address} is not published yet, or no longer a mailbox of the tenant"
        return _later(again, "mailbox_unknown", words)
    if entry.footer is None and not message.transactional:
        words = "the tenant has no postal address: set spec.sending.postal_address and apply it"
        return _later(again, "no_postal_address", words)
    if not domain.verified:
        return _later(again, "domain_not_verified", f"{domain.name} has not been verified")
    mailbox = _warmed(mailbox, entry, now)
    if snapshot.mailbox_used >= mailbox.daily_cap:
        words = f"{mailbox.address} has reached its cap of {mailbox.daily_cap} a day"
        return _tomorrow(now, "mailbox_cap_reached", words)
    return _route(snapshot, entry, domain, mailbox, now, again)


def warmup_day(started: date, now: datetime) -> int:
    """Return which day of a warm-up it is: 1 on the first, 0 or less before it."""
    return (now.astimezone(UTC).date() - started).days + 1


def _route(
    snapshot: Snapshot,
    entry: DirectoryEntry,
    domain: SendingDomain,
    mailbox: SendingMailbox,
    now: datetime,
    again: datetime,
) -> Decision:
    """Choose the home address, or another one only where the home's cap is used up."""
    stops = {stop.name: stop for stop in snapshot.stops if stop.scope is StopScope.ADDRESS}
    usable = [address for address in entry.addresses if address.ready and address.name not in stops]
    home_name = snapshot.homes.get(domain.name)
    home = next((address for address in entry.addresses if address.name == home_name), None)
    if not usable or (home is not None and home not in usable):
        # Trouble of one address is not carried to the next.
        held = stops.get(home.name) if home is not None else next(iter(stops.values()), None)
        if held is not None:
            return _later(again, "stopped", held.sentence)
        waiting = home.name if home is not None else "every address"
        return _later(again, "address_not_ready", f"{waiting} is not ready to send")
    caps = {
        address.name: ADDRESS[entry.warmup].cap(warmup_day(entry.warmup_start_of(address), now))
        for address in usable
    }
    free = [a for a in usable if snapshot.address_used.get(a.ip, 0) < caps[a.name]]
    if not free:
        words = f"every address has reached its cap of at most {max(caps.values())} a day"
        return _tomorrow(now, "warmup_cap_reached", words)
    chosen = home if home is not None and home in free else _next_in_turn(free, snapshot)
    return Decision(
        reason="home_address" if home == chosen else "address_in_turn",
        message=f"chosen: {chosen.name} ({chosen.ip})",
        route=Route(
            address=chosen,
            domain=domain,
            address_cap=caps[chosen.name],
            mailbox=mailbox,
            settles_home=home is None,
            known=tuple(address.name for address in entry.addresses),
            footer=entry.footer,
        ),
    )


def _next_in_turn(free: list[SendingAddress], snapshot: Snapshot) -> SendingAddress:
    """Return the address that is home to the fewest domains."""
    homes = Counter(snapshot.homes.values())
    return min(free, key=lambda address: (homes[address.name], address.name))


def _warmed(mailbox: SendingMailbox, entry: DirectoryEntry, now: datetime) -> SendingMailbox:
    """Return a mailbox with the cap of today: its own, or that of its warm-up."""
    day = warmup_day(entry.warmup_started, now)
    cap = min(MAILBOX[entry.warmup].cap(day), mailbox.daily_cap)
    return mailbox.model_copy(update={"daily_cap": cap})


def _domain(entry: DirectoryEntry, name: str) -> SendingDomain | None:
    return next((domain for domain in entry.domains if domain.name == name), None)


def _later(again: datetime, reason: str, message: str) -> Decision:
    return Decision(reason, message, until=again)


def _tomorrow(now: datetime, reason: str, message: str) -> Decision:
    """Wait for the next UTC day, when the counters begin at zero."""
    tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
    return Decision(reason, message, until=datetime.combine(tomorrow, time(), tzinfo=UTC))
