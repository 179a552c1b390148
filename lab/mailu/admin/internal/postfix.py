"""What Postfix asks: 200 with a JSON text, or 404 for no entry."""

from __future__ import annotations

import re

from lab.mailu.admin.application import Call
from lab.mailu.admin.destinations import destinations, key_of, resolved, without_detail
from lab.mailu.admin.internal.dovecot import user_of
from lab.mailu.admin.messages import Answer, NotFound, page, shown
from lab.mailu.admin.names import kept_address, shown_address
from lab.mailu.admin.names import shown as shown_name
from lab.mailu.admin.routing import Route
from lab.mailu.admin.srs import Rewriter
from lab.mailu.admin.store import Kind

TOO_MANY = "450 4.2.1 You are sending too many emails too fast."
LITERAL = re.compile(r"(.*@)?\[.*\]")
TARGET = re.compile(r"(\[(?P<literal>[^\]]*)\]|(?P<name>[^:\[\]]*))(:(?P<port>\d+))?")


def domain(call: Call) -> Answer:
    """Say whether a domain's mail is delivered here."""
    key = key_of(call.arguments["domain"])
    if not (call.store.find(Kind.DOMAIN, key) or call.store.find(Kind.ALTERNATIVE, key)):
        raise NotFound
    return shown(shown_name(key))


def mailbox(call: Call) -> Answer:
    """Say whether an address is a mailbox."""
    return shown(shown_address(user_of(call.store, call.arguments["email"])["email"]))


def alias(call: Call) -> Answer:
    """Return where mail of an address goes; users lead to themselves."""
    local, name = resolved(call.store, call.arguments["email"])
    if local is None:
        return shown(name)
    return _addresses(destinations(call.store, local, name, call.app.settings.delimiters))


def transport(call: Call) -> Answer:
    """Return the next server of a relay's mail."""
    address = call.arguments["email"]
    if address == "*" or LITERAL.fullmatch(address):
        raise NotFound
    relay = call.store.find(Kind.RELAY, key_of(resolved(call.store, address)[1]))
    if relay is None:
        raise NotFound
    target = relay["smtp"].lower()  # a relay without one is an error: its mail waits
    prefix = next((p for p in ("mx:", "lmtp:") if target.startswith(p)), "")
    found = TARGET.fullmatch(target.removeprefix(prefix))
    literal = found["literal"] if found else None
    if not found or (literal is not None and prefix == "mx:"):
        return page(400)
    host = literal or found["name"] or ""
    if not host and prefix == "lmtp:":
        return page(400)
    return shown(_transport(host or relay["name"], found["port"], prefix if host else "mx:"))


def _transport(host: str, port: str | None, prefix: str) -> str:
    protocol = "lmtp" if prefix == "lmtp:" else "smtp"
    name = f"ipv6:{host}" if ":" in host else host
    bracketed = not prefix or ":" in host
    return f"{protocol}:{f'[{name}]' if bracketed else name}{f':{port}' if port else ''}"


def sender_login(call: Call) -> Answer:
    """Return who may send as an address: its owners, and those who may send as anybody."""
    settings = call.app.settings
    local, name = resolved(call.store, call.arguments["email"])
    owners = list(settings.wildcard_senders)
    if local is not None:
        plain = without_detail(local, settings.delimiters)
        found = destinations(call.store, plain, name, settings.delimiters, as_sender=True)
        spoofing = [u["email"] for u in call.store.all(Kind.USER) if u["allow_spoofing"]]
        owners += [*(found or []), *spoofing]
    return _addresses(sorted(set(owners)))


def sender_map(call: Call) -> Answer:
    """Rewrite an envelope sender that is not of a domain of ours; relays are not ours."""
    sender = call.arguments["email"]
    if sender.count("@") != 1 or sender.startswith('"'):
        raise NotFound
    if call.store.find(Kind.DOMAIN, key_of(resolved(call.store, sender)[1])):
        raise NotFound
    return shown(_rewriter(call).forward(sender, call.app.settings.domain))


def recipient_map(call: Call) -> Answer:
    """Return whose bounce a rewritten address takes."""
    original = _rewriter(call).reverse(call.arguments["email"])
    if original is None:
        raise NotFound
    return shown(original)


def sender_rate(call: Call) -> Answer:
    """Count a mail of a user, and refuse it if there are too many."""
    address = call.arguments["email"]
    if address in call.app.settings.sender_exempt:
        raise NotFound
    user = user_of(call.store, address)
    if call.app.counters.may_send(user["email"]):
        raise NotFound
    return shown(TOO_MANY)


def _rewriter(call: Call) -> Rewriter:
    return Rewriter(call.app.settings.secret_key)


def _addresses(addresses: list[str] | None) -> Answer:
    if not addresses:
        raise NotFound
    return shown(",".join(map(_ascii, addresses)))


def _ascii(address: str) -> str:
    """Return an address with its domain in ASCII; a local part keeps its capitals."""
    return address.rpartition("@")[0] + "@" + kept_address(address).rpartition("@")[2]


ROUTES = (
    Route("GET", "/internal/postfix/domain/{domain}", domain),
    Route("GET", "/internal/postfix/mailbox/{email*}", mailbox),
    Route("GET", "/internal/postfix/alias/{email*}", alias),
    Route("GET", "/internal/postfix/transport/{email*}", transport),
    Route("GET", "/internal/postfix/sender/login/{email*}", sender_login),
    Route("GET", "/internal/postfix/sender/map/{email*}", sender_map),
    Route("GET", "/internal/postfix/sender/rate/{email*}", sender_rate),
    Route("GET", "/internal/postfix/recipient/map/{email*}", recipient_map),
)
