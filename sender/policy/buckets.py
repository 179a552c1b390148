"""How much of a bucket may be handed over now, from which address; if nothing, why and until when.

A bucket is the mail of one From address to one receiving provider. The same snapshot always has the
same credit. Trouble of an address is not carried to the next: what has its home there waits. Only
what a home's cap of the day does not let through leaves from another address.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zlib import crc32

from sender import reasons
from sender.policy.model import (
    AddressState,
    BucketSnapshot,
    Cap,
    Credit,
    Egress,
    Hold,
)
from sender.policy.spreading import rate
from sender.schemas import Stop

_LATEST = datetime.max.replace(tzinfo=UTC)
ALMOST = 1e-6
"""Of a mail: what sums of fractions are short of."""


def credit(snapshot: BucketSnapshot) -> Credit:
    """Return the credit of a bucket."""
    return (
        _stopped(snapshot.stops)
        or _held(snapshot.holds)
        or _unknown(snapshot)
        or _outside_hours(snapshot)
        or _used_up(snapshot)
        or _from_an_address(snapshot)
    )


def _stopped(stops: tuple[Stop, ...]) -> Credit | None:
    return _none(reasons.STOPPED, stops[0].sentence) if stops else None


def _held(holds: tuple[Hold, ...]) -> Credit | None:
    if not holds:
        return None
    endless = (hold for hold in holds if hold.until is None)
    last = next(endless, None) or max(holds, key=lambda hold: hold.until or _LATEST)
    return _none(last.reason, f"{last.subject} is held: {last.words}", last.until)


def _unknown(snapshot: BucketSnapshot) -> Credit | None:
    """Hold what the directory does not know: it may be missing for a moment only."""
    if not snapshot.is_published:
        return _none(reasons.NOT_PUBLISHED, "no domain of the tenant has been activated yet")
    if not snapshot.has_domain:
        words = f"{snapshot.domain} is not published yet, or no longer a domain of the tenant"
        return _none(reasons.DOMAIN_UNKNOWN, words)
    if not snapshot.has_mailbox:
        words = f"{snapshot.mailbox} is not published yet, or no longer a mailbox of the tenant"
        return _none(reasons.MAILBOX_UNKNOWN, words)
    if not snapshot.has_footer:
        words = "the tenant has no postal address: set spec.sending.postal_address and apply it"
        return _none(reasons.NO_POSTAL_ADDRESS, words)
    if not snapshot.is_verified:
        return _none(reasons.DOMAIN_NOT_VERIFIED, f"{snapshot.domain} has not been verified")
    if snapshot.provider is None:
        words = snapshot.unresolved or "the recipient's domain has not been looked up yet"
        return _none(reasons.PROVIDER_UNRESOLVED, words)
    return None


def _outside_hours(snapshot: BucketSnapshot) -> Credit | None:
    if snapshot.hours is None:
        return None
    opens = snapshot.hours.opens(snapshot.now)
    if opens <= snapshot.now:
        return None
    return _none(reasons.OUTSIDE_HOURS, "outside the tenant's sending hours", opens)


def _used_up(snapshot: BucketSnapshot) -> Credit | None:
    """Wait for the next day where a cap that every address shares is used up."""
    for reason, cap in (
        (reasons.MAILBOX_CAP_REACHED, snapshot.mailbox_cap),
        (reasons.DOMAIN_CAP_REACHED, snapshot.domain_cap),
    ):
        if not cap.left:
            words = f"{cap.subject} has reached its cap of {cap.most} a day"
            return _none(reason, words, _tomorrow(snapshot, cap))
    return None


def _from_an_address(snapshot: BucketSnapshot) -> Credit:
    home = next((a for a in snapshot.addresses if a.name == snapshot.home), None)
    if home is not None and home.state is AddressState.DRAINING:
        home = None  # its mail gets another home
    if home is not None and not home.is_usable:
        return _in_trouble(home)
    if home is not None and home.left:
        return _limited(snapshot, home, reasons.HOME_ADDRESS)
    usable = [address for address in snapshot.addresses if address.is_usable]
    if not usable:
        return _without_address(snapshot)
    free = [address for address in usable if address.left]
    if not free:
        return _all_used_up(snapshot, usable)
    chosen = min(free, key=_overflow_turn if home is not None else _home_turn)
    return _limited(snapshot, chosen, reasons.ADDRESS_IN_TURN, settles_home=home is None)


def _home_turn(address: Egress) -> tuple[int, float, str]:
    """Order addresses for a new home: that of the fewest, then the least used."""
    return (address.homes, *_overflow_turn(address)[1:])


def _overflow_turn(address: Egress) -> tuple[bool, float, str]:
    """Order addresses for what a home has no place for: the least used goes first."""
    used = max(cap.used / cap.most for cap in (address.cap, address.provider_cap))
    return (not _in_hour(address), used, address.name)


def _in_hour(address: Egress) -> int:
    return min(address.cap.left_in_hour, address.provider_cap.left_in_hour)


def _in_trouble(address: Egress) -> Credit:
    if address.stop is not None:
        return _none(reasons.STOPPED, address.stop.sentence)
    if address.hold is not None:
        words = f"{address.name} is held: {address.hold.words}"
        return _none(address.hold.reason, words, address.hold.until)
    return _none(reasons.ADDRESS_NOT_READY, f"{address.name} is not ready to send")


def _without_address(snapshot: BucketSnapshot) -> Credit:
    troubled = [a for a in snapshot.addresses if a.state is not AddressState.DRAINING]
    if snapshot.addresses and not troubled:
        return _none(reasons.ADDRESS_DRAINING, "every address is being released")
    found = next((a for a in troubled if a.state is AddressState.READY), None)
    if found is not None:
        return _in_trouble(found)
    return _none(reasons.ADDRESS_NOT_READY, "no address is ready to send")


def _all_used_up(snapshot: BucketSnapshot, usable: list[Egress]) -> Credit:
    if any(address.cap.left for address in usable):
        cap = max((a.provider_cap for a in usable), key=lambda cap: cap.most)
        words = f"every address has reached its cap of at most {cap.most} a day at the provider"
        reason = reasons.PROVIDER_CAP_REACHED
    else:
        cap = max((a.cap for a in usable), key=lambda cap: cap.most)
        words = f"every address has reached its cap of at most {cap.most} a day"
        reason = reasons.ADDRESS_CAP_REACHED
    return _none(reason, words, _tomorrow(snapshot, cap))


def _limited(
    snapshot: BucketSnapshot, egress: Egress, reason: str, *, settles_home: bool = False
) -> Credit:
    """Limit what an address may send by the hour, and by the rate that spreads the day."""
    caps = (egress.cap, snapshot.domain_cap, snapshot.mailbox_cap, egress.provider_cap)
    short = min(caps, key=lambda cap: cap.left_in_hour)
    count = short.left_in_hour
    if not count:
        words = f"{short.subject} has sent {short.used_in_hour} in this hour, of {short.most} a day"
        return _none(reasons.HOUR_CAP_REACHED, words, _next_hour(snapshot.now))
    speed = whole = None
    if snapshot.hours is not None and snapshot.pace is not None:
        speed = _rate(snapshot, caps)
        saved = snapshot.pace.now(speed, snapshot.hours, snapshot.now)
        whole = int(saved + ALMOST)
        count = min(count, whole)
        if count <= 0:  # less where several buckets have used what one mailbox had saved
            words = f"{speed * 3600:.1f} mails an hour leave in the tenant's sending hours"
            until = snapshot.hours.after(snapshot.now, (1 - saved) / speed)
            return _none(reasons.SPREAD, words, until)
    words = f"from {egress.name} ({egress.ip})"
    return Credit(count, reason, words, None, egress, caps, settles_home, speed, whole)


def _rate(snapshot: BucketSnapshot, caps: tuple[Cap, ...]) -> float:
    assert snapshot.hours is not None  # noqa: S101 - the caller has checked
    return rate(min(cap.most / cap.sharers for cap in caps), snapshot.hours, snapshot.now)


def _none(reason: str, words: str, until: datetime | None = None) -> Credit:
    return Credit(0, reason, words, until)


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _tomorrow(snapshot: BucketSnapshot, cap: Cap) -> datetime:
    """Return when a bucket may go on in the next UTC day: its own moment, not midnight."""
    today = snapshot.now.astimezone(UTC).date()
    midnight = datetime.combine(today + timedelta(days=1), time(), tzinfo=UTC)
    turn = crc32(f"{snapshot.mailbox} {snapshot.provider}".encode()) / 2**32
    if snapshot.hours is None:
        return midnight + turn * timedelta(days=1) / max(cap.most, 1)
    step = 1 / rate(max(cap.most, 1), snapshot.hours, snapshot.hours.opens(midnight))
    return snapshot.hours.after(midnight, turn * step)
