"""How much each subject may send a day."""

from __future__ import annotations

from blueprint.tenant import Warmup
from blueprint.warmup import ADDRESS, DOMAIN, MAILBOX
from sender.policy.model import Cap, Kind, Warm
from sender.policy.spreading import BURST


def cap(
    warm: Warm,
    warmup: Warmup,
    *,
    daily_cap: int | None = None,
    sharers: int = 1,
    burst: int = BURST,
) -> Cap:
    """Return the cap of a subject's day; `daily_cap` is the mailbox's own."""
    match warm.subject.kind:
        case Kind.ADDRESS | Kind.PROVIDER:
            curve = ADDRESS[warmup].cap(warm.day)
        case Kind.DOMAIN:
            curve = DOMAIN[warmup].cap(warm.day)
        case Kind.MAILBOX:
            curve = MAILBOX[warmup].cap(warm.day)
        case Kind.TENANT:
            raise ValueError("a tenant has no cap of its own")
    most = curve if daily_cap is None else min(curve, daily_cap)
    return Cap(warm.subject, most, curve, warm.used, warm.used_in_hour, sharers, burst)
