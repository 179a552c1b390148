"""What rspamd asks: keys to sign with, and which domains are local."""

from __future__ import annotations

from lab.mailu.admin.application import Call
from lab.mailu.admin.destinations import key_of
from lab.mailu.admin.messages import Answer, shown
from lab.mailu.admin.names import shown as shown_name
from lab.mailu.admin.routing import Route
from lab.mailu.admin.store import Kind


def vault(call: Call) -> Answer:
    """Return a domain's private key; an alternative gets its domain's under its own name."""
    name = key_of(call.arguments["domain"])
    alternative = call.store.find(Kind.ALTERNATIVE, name)
    domain = call.store.find(Kind.DOMAIN, alternative["domain"] if alternative else name)
    key = domain and call.app.keys.private(shown_name(domain["name"]))
    selectors = []
    if key:
        selector = call.app.settings.dkim_selector
        selectors = [{"domain": name, "key": key.decode(), "selector": selector}]
    return shown({"data": {"selectors": selectors}})


def local_domains(call: Call) -> Answer:
    """Return the names of domains and alternatives, one a line; relays are not local."""
    objects = [*call.store.all(Kind.DOMAIN), *call.store.all(Kind.ALTERNATIVE)]
    text = "\n".join(shown_name(each["name"]) for each in objects)
    return Answer(200, text.encode(), "text/html; charset=utf-8")


ROUTES = (
    Route("GET", "/internal/rspamd/vault/v1/dkim/{domain}", vault),
    Route("GET", "/internal/rspamd/local_domains", local_domains),
)
