"""What Dovecot asks: users, quotas, and the sieve script that runs before a user's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from lab.mailu.admin.application import Call
from lab.mailu.admin.destinations import key_of
from lab.mailu.admin.messages import Answer, NotFound, shown
from lab.mailu.admin.names import shown_address
from lab.mailu.admin.routing import Route
from lab.mailu.admin.store import Document, Kind, Store


def user_of(store: Store, address: str) -> Document:
    """Return a user, or answer 404."""
    local, _, domain = address.lower().rpartition("@")
    user = store.find(Kind.USER, f"{local}@{key_of(domain)}")
    if user is None:
        raise NotFound
    return user


def passdb(call: Call) -> Answer:
    """Let a user in without a password, from the containers only: nginx has asked for it."""
    user_of(call.store, call.arguments["email"])
    networks = ",".join(call.app.settings.networks)
    return shown({"password": None, "nopassword": "Y", "allow_real_nets": networks})


def list_users(call: Call) -> Answer:
    """List the addresses of enabled users."""
    users = call.store.all(Kind.USER)
    return shown([shown_address(user["email"]) for user in users if user["enabled"]])


def userdb(call: Call) -> Answer:
    """Return the quota of a user."""
    user = user_of(call.store, call.arguments["email"])
    return shown({"quota_rule": f"*:bytes={user['quota_bytes']}"})


def report_usage(call: Call) -> Answer:
    """Take down how much of its quota a user has used."""
    user = user_of(call.store, call.arguments["email"])
    if call.arguments["resource"] == "storage":
        user["quota_bytes_used"] = json.loads(call.request.body)
        call.store.put(Kind.USER, user["email"], user)
    return shown(None)


def script_name(call: Call) -> Answer:
    """Return the name of a script: the one that was asked for."""
    return shown(call.arguments["script"])


def script(call: Call) -> Answer:
    """Return a script that files spam and answers in a user's absence."""
    user = user_of(call.store, call.arguments["email"])
    return shown(_script(user, datetime.now(UTC).date().isoformat()))


def _script(user: Document, today: str) -> str:
    needed = ["fileinto", "mailbox", "imap4flags", "relational", "comparator-i;ascii-numeric"]
    lines = [f"require {json.dumps([*needed, 'spamtestplus', 'vacation'])};"]
    if user["spam_enabled"]:
        threshold = user["spam_threshold"]
        lines += [
            'if spamtest :percent :value "gt" :comparator "i;ascii-numeric" ' + f'"{threshold}" {{',
            *(['  setflag "\\\\Seen";'] if user["spam_mark_as_read"] else []),
            '  fileinto :create "Junk";',
            "  stop;",
            "}",
        ]
    if user["reply_enabled"] and user["reply_startdate"] <= today <= user["reply_enddate"]:
        subject, text = (_quoted(user[name] or "") for name in ("reply_subject", "reply_body"))
        lines += [f"vacation :days 1 :subject {subject} {text};"]
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


ROUTES = (
    Route("GET", "/internal/dovecot/passdb/{email*}", passdb),
    Route("GET", "/internal/dovecot/userdb/", list_users),
    Route("GET", "/internal/dovecot/userdb/{email*}", userdb),
    Route("POST", "/internal/dovecot/quota/{resource}/{email*}", report_usage),
    Route("GET", "/internal/dovecot/sieve/name/{script}/{email*}", script_name),
    Route("GET", "/internal/dovecot/sieve/data/default/{email*}", script),
)
