"""Logins: nginx and Dovecot's proxy ask by headers, the web by HTTP's Basic scheme.

https://nginx.org/en/docs/mail/ngx_mail_auth_http_module.html#protocol
"""

from __future__ import annotations

import binascii
import logging
import socket
from base64 import b64decode
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote

from lab.mailu.admin.application import Call
from lab.mailu.admin.destinations import key_of
from lab.mailu.admin.messages import Answer
from lab.mailu.admin.passwords import looks_like_token, token_hash
from lab.mailu.admin.routing import Route
from lab.mailu.admin.sessions import TEMPORARY
from lab.mailu.admin.store import Document, Kind

LOG = logging.getLogger("admin")
WRONG, ENCRYPTION, RATE = "wrong", "encryption", "rate"
TEXTS = {
    WRONG: "the login is wrong",
    ENCRYPTION: "STARTTLS comes first",
    RATE: "too many attempts, try again later",
}
SMTP_CODES = {WRONG: "535 5.7.8", ENCRYPTION: "530 5.7.0", RATE: "451 4.3.2"}
CODES = {
    "imap": {WRONG: "AUTHENTICATIONFAILED", ENCRYPTION: "PRIVACYREQUIRED", RATE: "LIMIT"},
    "pop3": {
        WRONG: "-ERR the login is wrong",
        ENCRYPTION: "-ERR STLS comes first",
        RATE: "-ERR [LOGIN-DELAY] try again later",
    },
    "sieve": {WRONG: "AuthFailed", ENCRYPTION: "ENCRYPT-NEEDED", RATE: "AuthFailed"},
    "smtp": SMTP_CODES,
    "submission": SMTP_CODES,
    "lmtp": SMTP_CODES,
}
"""What nginx and Dovecot answer clients of each protocol with."""
BACKENDS = {
    "imap": ("IMAP", 143),
    "pop3": ("IMAP", 110),
    "sieve": ("IMAP", 4190),
    "lmtp": ("IMAP", 2525),
    "smtp": ("SMTP", 10025),
    "submission": ("SMTP", 10025),
}
INBOUND = {"smtp": ("SMTP", 25), "lmtp": ("IMAP", 2525)}
WEBMAIL_PORTS = ("10143", "10025", "14190")
UNCOUNTED_PORTS = ("10143", "10025")
WEB, PAGE = "web", "page"
"""Logins by HTTP's Basic scheme, and by the login page, which takes passwords alone."""


class _Login(NamedTuple):
    user: str
    password: str
    address: str
    protocol: str
    port: str

    @property
    def from_webmail(self) -> bool:
        """Whether webmail asks, whose address says nothing about the person's."""
        return self.port in UNCOUNTED_PORTS


def check_mail_login(call: Call) -> Answer:
    """Answer nginx or Dovecot's proxy."""
    headers = call.request.headers
    method, protocol = headers["Auth-Method"].lower(), headers["Auth-Protocol"].lower()
    if headers["Auth-Port"] == "25" and method != "none":
        call.app.counters.failed(headers["Client-Ip"])
        return _headers({"Auth-Status": "no logins here", "Auth-Error-Code": "502 5.5.1"})
    if method in ("", "none") and protocol in INBOUND:
        encrypted = headers.get("Auth-SSL") == "on" or protocol != "smtp"
        if call.app.settings.inbound_tls_enforce and not encrypted:
            return _refusal(protocol, ENCRYPTION)
        return _accepted(call, INBOUND[protocol])
    if method not in ("plain", "login"):
        raise ValueError(f"no method {method} of {protocol}")
    login = _Login(
        unquote(headers["Auth-User"]),
        unquote(headers["Auth-Pass"]),
        unquote(headers["Client-Ip"]),
        protocol,
        headers["Auth-Port"],
    )
    return _logged_in(call, login)


def _logged_in(call: Call, login: _Login) -> Answer:
    """Verify a login. A right mail token passes while its network is blocked, and frees it."""
    counters, is_token = call.app.counters, looks_like_token(login.password)
    if not login.from_webmail and not is_token and counters.blocked(login.address):
        return _refusal(login.protocol, RATE)
    user = _user(call, login.user)
    right = _verified(call, user, login)
    counted = user is not None and not login.from_webmail and not is_token
    if counted and counters.user_blocked(login.user, login.address):
        return _refusal(login.protocol, RATE)
    known = {"Auth-User": login.user, "Auth-User-Exists": str(user is not None)}
    if right:
        counters.free(login.address)
        return _accepted(call, BACKENDS[login.protocol], known)
    if user:
        counters.user_failed(login.user, login.address, login.password)
    elif not login.from_webmail:
        counters.failed(login.address, login.user)
    return _refusal(login.protocol, WRONG, known)


def _user(call: Call, address: str) -> Document | None:
    local, _, domain = address.lower().rpartition("@")
    return call.store.find(Kind.USER, f"{local}@{key_of(domain)}")


def _verified(call: Call, user: Document | None, login: _Login) -> bool:
    """Whether credentials are valid: a token used from its networks, or an allowed password."""
    if user is None or not user["enabled"]:
        return False
    from_webmail = login.port in WEBMAIL_PORTS
    if login.protocol == "imap" and not user["enable_imap"] and not from_webmail:
        return False
    if login.protocol == "pop3" and not user["enable_pop"]:
        return False
    if from_webmail and login.password.startswith(TEMPORARY):
        return bool(call.app.sessions.owner_of_token(login.password) == user["email"])
    if looks_like_token(login.password) and login.protocol != PAGE:
        hashed = token_hash(login.password)
        for token in call.store.all(Kind.TOKEN):
            if token["email"] == user["email"] and token["hash"] == hashed:
                return _permitted(token["ip"], login.address)
    right = call.app.passwords.matches(login.password, user["password"])
    if right and call.app.settings.require_tokens and login.protocol not in (WEB, PAGE):
        LOG.info("%s gave the right password to %s, but needs a token", login.user, login.protocol)
        return False
    return right


def _permitted(networks: list[str], address: str) -> bool:
    ip = ip_address(address)
    return not networks or any(ip in ip_network(network, strict=False) for network in networks)


def _accepted(call: Call, backend: tuple[str, int], known: dict[str, str] | None = None) -> Answer:
    service, port = backend
    address = socket.getaddrinfo(call.app.settings.services[service], None)[0][4][0]
    server = {"Auth-Status": "OK", "Auth-Server": str(address), "Auth-Port": str(port)}
    return _headers({**server, **(known or {})})


def _refusal(protocol: str, reason: str, known: dict[str, str] | None = None) -> Answer:
    refusal = {"Auth-Status": TEXTS[reason], "Auth-Error-Code": CODES[protocol][reason]}
    wait = {} if reason == RATE else {"Auth-Wait": "0"}
    return _headers({**refusal, **wait, **(known or {})})


def _headers(headers: dict[str, str]) -> Answer:
    return Answer(200, b"", "text/html; charset=utf-8", headers)


def check_web_login(call: Call) -> Answer:
    """Answer nginx for what logs in by HTTP's Basic scheme; passwords are always accepted there."""
    address, counters = call.request.client, call.app.counters
    if counters.blocked(address):
        return _challenge("too many attempts", {"Retry-After": "60"})
    given = call.request.headers.get("Authorization", "")
    try:
        name, password = b64decode(given.removeprefix("Basic ")).decode().split(":", 1)
    except (binascii.Error, ValueError):
        return _challenge("login")
    if not given.startswith("Basic "):
        return _challenge("login")
    try:
        user = web_user(call, name, password, WEB)
    except TooMany:
        return _challenge("too many attempts", {"Retry-After": "60"})
    return _headers({"X-User": user["email"]}) if user else _challenge("login")


class TooMany(Exception):
    """The user or the network has failed too often."""


def web_user(call: Call, name: str, password: str, protocol: str) -> Document | None:
    """Return who this password is of, None if it is wrong, which is counted. Raises TooMany."""
    address, counters = call.request.client, call.app.counters
    if counters.blocked(address) or counters.user_blocked(name, address):
        raise TooMany
    user = _user(call, name)
    if user and _verified(call, user, _Login(name, password, address, protocol, "")):
        counters.free(address)
        return user
    if user:
        counters.user_failed(name, address, "")
    else:
        counters.failed(address, name)
    return None


def _challenge(realm: str, headers: dict[str, str] | None = None) -> Answer:
    challenge = {"WWW-Authenticate": f'Basic realm="{realm}"', **(headers or {})}
    return Answer(401, b"", "text/html; charset=utf-8", challenge)


ROUTES = (
    Route("GET", "/internal/auth/email", check_mail_login),
    Route("GET", "/internal/auth/basic", check_web_login),
)
