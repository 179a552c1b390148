"""How people get into their mailbox: tokens of mail clients, and the password of the web pages.

Secrets are returned once and kept nowhere. Both leave everything else of the mailbox as it is.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from blueprint.mail_address import domain_of
from controlplane.mailu.answers import unclear
from controlplane.mailu.api import Api
from controlplane.mailu.faults import (
    NO_MAILBOX,
    NO_TOKEN,
    TOKEN_EXISTS,
    TOKEN_NAME,
    UNCERTAIN,
)
from controlplane.mailu.names import require_address
from controlplane.mailu.objects import DOMAIN, TOKEN, USER, Token
from controlplane.mailu.observed import look
from controlplane.mailu.wanted import is_of, mark_of
from kit.faults import Fault

NAME = re.compile(r"[^\W_][\w .()+-]{0,59}")
PASSWORD_BYTES = 18


@dataclass(frozen=True)
class Mailbox:
    """A mailbox of a tenant."""

    tenant: str
    address: str


@dataclass(frozen=True)
class NamedToken:
    """A token under the name by which it is revoked."""

    name: str
    """As it was made here; of a token that a person made in the web pages, its comment."""
    token: Token


def tokens(api: Api, box: Mailbox) -> list[NamedToken]:
    """Return the tokens of a mailbox, those that a person made too."""
    _require(api, box)
    prefix = _comment(box, "")
    found = api.tokens_of(box.address)
    return [NamedToken(token.comment.removeprefix(prefix), token) for token in found]


def make_token(api: Api, box: Mailbox, name: str) -> str:
    """Make a token for a mail client, and return its secret, which is shown this once."""
    if not NAME.fullmatch(name):
        raise TOKEN_NAME(name=repr(name))
    if any(each.name == name for each in tokens(api, box)):
        raise TOKEN_EXISTS(address=box.address, name=name, where=api.where)
    token, secret = api.make_token(box.address, _comment(box, name))
    if token.email != box.address:  # a stray: no login works with it
        request = f"POST /tokenuser/{box.address}"
        raise unclear(request, "the token is of another address")
    return secret


def revoke_token(api: Api, box: Mailbox, name: str) -> int:
    """Revoke all tokens of a name; return how many there were."""
    named = [each.token for each in tokens(api, box) if each.name == name]
    if not named:
        raise NO_TOKEN(address=box.address, name=name, where=api.where)
    for token in named:
        _revoke(api, token)
    return len(named)


def set_password(api: Api, box: Mailbox) -> str:
    """Set a new password for the web pages, and return it; where this fails it may be set.

    Tokens stay as they are.
    """
    _require(api, box)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    api.set_password(box.address, password)
    return password


def _revoke(api: Api, token: Token) -> None:
    """Revoke a token. Numbers are given again: only the one that was listed is revoked."""
    if not _is_there(api, token):
        return
    try:
        api.remove(TOKEN, str(token.id))
    except Fault as fault:
        if fault.code is not UNCERTAIN or _is_there(api, token):
            raise


def _is_there(api: Api, token: Token) -> bool:
    now = api.find(TOKEN, str(token.id))
    return now is not None and (now.email, now.comment) == (token.email, token.comment)


def _require(api: Api, box: Mailbox) -> None:
    """Refuse an address that is not the tenant's, or whose domain is not."""
    require_address(box.address)
    domain, _ = look(api, DOMAIN, domain_of(box.address))
    user, _ = look(api, USER, box.address)
    for seen in (domain, user):
        if seen is None or not is_of(seen.comment, box.tenant):
            raise NO_MAILBOX(address=box.address, tenant=box.tenant, where=api.where)


def _comment(box: Mailbox, name: str) -> str:
    return f"{mark_of(box.tenant)} {name}"
