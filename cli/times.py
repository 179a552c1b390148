"""Times for people: dates in local time, ages, durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cli.faults import USAGE
from kit.faults import Fault
from kit.numbers import number

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(at: datetime) -> str:
    """Return a time in local time: 2026-11-27 22:31:05."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def end(at: datetime | None) -> str:
    """Return the end of a hold, in local time, for a table."""
    return "no end" if at is None else moment(at)


def until(at: datetime | None) -> str:
    """Return the end of a hold, in local time, for a sentence."""
    return "without an end" if at is None else f"until {moment(at)}"


def precise(at: datetime) -> str:
    """Return a local time to the millisecond."""
    local = at.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}"


def age(start: datetime) -> str:
    """Return how long ago a time was: 12s, 5m, 3h, 2d."""
    return lasting((datetime.now(UTC) - start).total_seconds())


def lasting(seconds: float) -> str:
    """Return a time span: 12s, 5m, 3h, 2d."""
    passed = int(seconds)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if passed >= 2 * size:
            return f"{passed // size}{unit}"
    return f"{max(passed, 0)}s"


def seconds(text: str) -> float:
    """Read a duration such as 300s, 5m or 1h."""
    unit = text[-1:] if text[-1:] in UNITS else ""
    value = number(text.removesuffix(unit))
    if value is None or value < 0:
        raise USAGE(mistake=f"{text} is not a duration", remedy="write 300s or 5m")
    return float(value) * UNITS[unit or "s"]


def later(text: str) -> str:
    """Return the time that a duration from now, or a time with its offset, means (RFC 3339)."""
    return _time(text, 1)


def ago(text: str) -> str:
    """Return the time that a duration before now, or a time with its offset, means (RFC 3339)."""
    return _time(text, -1)


def _time(text: str, direction: int) -> str:
    if "T" in text:  # which the API reads
        return text
    try:
        at = datetime.now(UTC) + direction * timedelta(seconds=seconds(text))
    except (Fault, OverflowError):
        raise USAGE(
            mistake=f"{text} is neither a time nor a duration",
            remedy="write 36h, 7d, or 2026-12-24T18:00:00Z",
        ) from None
    return at.isoformat().replace("+00:00", "Z")
