"""Mailboxes whose people may not send now: their logins end, and they go on receiving.

Mailu has no other switch for one mailbox, so that its mail cannot be read meanwhile either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from controlplane.mailu.api import Api
from controlplane.mailu.objects import USER, User
from controlplane.mailu.wanted import is_closed, is_of

EndSessions = Callable[[Collection[str]], None]
"""Ends the open sessions of mailboxes, which closing them does not."""


@dataclass(frozen=True)
class Stops:
    """Which mailboxes of a tenant are stopped on a host, and what is kept in mind of it."""

    tenant: str

    wanted: Collection[str]
    closed: Collection[str]
    """Those that were closed for a stop: no others are opened when it ends."""
    record: Callable[[str], None]
    """Keeps that a mailbox is closed for a stop, before it is."""
    forget: Callable[[str], None]


def apply_stops(
    api: Api, stops: Stops, *, end_sessions: EndSessions, progress: Callable[[str], None]
) -> None:
    """Close mailboxes that are stopped, and open those that are no more.

    One that a person has disabled is not opened.
    """
    if not stops.wanted and not stops.closed:
        return
    own = {user.key: user for user in api.all(USER) if is_of(user.comment, stops.tenant)}
    closing = [address for address in sorted(stops.wanted) if _is_open(own.get(address))]
    for address in closing:
        if address not in stops.closed:
            stops.record(address)
        api.change(USER, address, {"enabled": False})
        progress(f"stopped user {address}")
    if closing:
        end_sessions(closing)
    for address in sorted(set(stops.closed) - set(stops.wanted)):
        user = own.get(address)
        if user is not None and not is_closed(user.comment):
            api.change(USER, address, {"enabled": True})
            progress(f"started user {address}")
        stops.forget(address)


def _is_open(user: User | None) -> bool:
    return user is not None and user.enabled
