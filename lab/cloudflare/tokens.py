"""API tokens: what each may do, and to which zones.

A test makes a token by `account.add_token(READ_ONLY)`, or one for some zones by
`account.add_token(READ_WRITE, zones={"acme.example"})`; both return the token's text. Over HTTP it
is `POST /_lab/tokens` with `{"permissions": ["#dns_records:read", "#zone:read"], "zones": [...]}`,
answered by `{"token": "..."}`; zones may be left out. `read_only` names zones that refuse its
writes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.cloudflare.errors import Refusal, not_permitted, out_of_reach

LENGTH = 30
"""Bytes before encoding; Pulumi's plugin wants 40 to 80 characters."""
BEARER = re.compile(r"Bearer [0-9A-Za-z_\-]+")
GLOBAL_KEY = re.compile(r"[0-9a-f]{37,45}")


class Permission(StrEnum):
    """The permissions of a token, as a zone's `permissions` lists them."""

    DNS_WRITE = "#dns_records:edit"
    DNS_READ = "#dns_records:read"
    ZONE_EDIT = "#zone:edit"
    ZONE_READ = "#zone:read"
    SETTINGS_WRITE = "#zone_settings:edit"


READ_ONLY = frozenset({Permission.DNS_READ, Permission.ZONE_READ})
READ_WRITE = READ_ONLY | {Permission.DNS_WRITE}
"""What the control plane's own token has."""
EVERYTHING = frozenset(Permission)


@dataclass(frozen=True)
class Token:
    """A token or the global key of the account."""

    permissions: frozenset[Permission]
    zones: frozenset[str] | None = None
    """Names of the zones that it reaches; None: all of the account."""
    read_only: frozenset[str] = frozenset()
    """Names of zones that it may read and not write, whatever its permissions."""
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def reaches(self, zone: str) -> bool:
        """Tell whether the token may see a zone."""
        return self.zones is None or zone in self.zones

    def require_zone(self, zone: str, *, writes: bool) -> None:
        """Refuse a zone that the token does not reach, or may not write to."""
        if not self.reaches(zone):
            raise out_of_reach()
        if writes and zone in self.read_only:
            raise not_permitted()

    def require(self, permission: Permission) -> None:
        """Refuse what the token may not do."""
        if permission not in self.permissions:
            raise not_permitted()


class Tokens:
    """The tokens of an account, and its global key."""

    def __init__(self, first: str, email: str, key: str) -> None:
        self._tokens = {first: Token(READ_WRITE)}
        self._email, self._key = email, key

    def add(
        self,
        permissions: Collection[Permission | str],
        zones: Collection[str] | None = None,
        read_only: Collection[str] = (),
    ) -> str:
        """Make a token; raises ValueError for an unknown permission."""
        text = secrets.token_urlsafe(LENGTH)
        allowed = frozenset(Permission(permission) for permission in permissions)
        reached = None if zones is None else frozenset(zones)
        self._tokens[text] = Token(allowed, reached, frozenset(read_only))
        return text

    def authenticated(self, headers: Mapping[str, str]) -> Token:
        """Return the token of a request; raises Refusal."""
        header = headers.get("authorization", "")
        if header:
            if not BEARER.fullmatch(header):
                chain = ((6111, "Invalid format for Authorization header"),)
                raise Refusal(6003, "Invalid request headers", chain=chain)
            token = self._tokens.get(header.removeprefix("Bearer "))
            if token is None:
                raise Refusal(9109, "Invalid access token", 403)
            return token
        email, key = headers.get("x-auth-email"), headers.get("x-auth-key")
        if not email or not key:
            raise Refusal(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        if not GLOBAL_KEY.fullmatch(key):
            chain = ((6103, "Invalid format for X-Auth-Key header"),)
            raise Refusal(6003, "Invalid request headers", chain=chain)
        if (email, key) != (self._email, self._key):
            raise Refusal(9103, "Unknown X-Auth-Key or X-Auth-Email", 403)
        return Token(EVERYTHING)
