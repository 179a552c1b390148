"""The login page for webmail, and the question by which nginx lets people through to it.

Only what webmail needs of Mailu's pages is imitated; the page says that it is a stand-in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from html import escape
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from lab.mailu.admin.application import Call
from lab.mailu.admin.internal.logins import PAGE, TooMany, web_user
from lab.mailu.admin.messages import Answer, Request, page
from lab.mailu.admin.routing import Route
from lab.mailu.admin.store import Kind

COOKIE = "mailu"
HTML = "text/html; charset=utf-8"
FORM = """<!doctype html>
<title>Login</title>
<p>This is a stand-in of the lab, not Mailu.</p>
<p role="alert">{reason}</p>
<form method="post">
<input type="hidden" name="csrf_token" value="{proof}">
<label>Address <input name="email" type="email" required></label>
<label>Password <input name="pw" type="password" required></label>
<button name="{button}" value="1">Log in</button>
</form>
"""
LOGIN = "/sso/login"


def show_login(call: Call) -> Answer:
    """Show the form."""
    return _form(call, "")


def log_in(call: Call) -> Answer:
    """Begin a session, and lead to webmail. A form that is not of this browser is shown again."""
    given = {name: values[0] for name, values in parse_qs(call.request.body.decode()).items()}
    before, proof = _session(call.request), given.get("csrf_token", "").encode()
    if before is None or not hmac.compare_digest(proof, _proof(call, before).encode()):
        return _form(call, "")
    try:
        user = web_user(call, given.get("email", ""), given.get("pw", ""), PAGE)
    except TooMany:
        return _form(call, "too many attempts, try again later")
    if user is None:
        return _form(call, "the address or the password is wrong")
    call.app.sessions.end(before)
    begun = call.app.sessions.begun(user["email"])
    return _led(call.app.settings.web_home, _cookie(begun))


def log_out(call: Call) -> Answer:
    """End the session."""
    session = _session(call.request)
    if session is not None:
        call.app.sessions.end(session)
    return _led(LOGIN, _cookie("", "; Max-Age=0"))


def check_session(call: Call) -> Answer:
    """Tell nginx who has logged in, and the token by which webmail logs in for them."""
    session = _session(call.request)
    address = call.app.sessions.owner(session)
    if session is None or address is None or not _is_enabled(call, address):
        return page(403)
    token = call.app.sessions.token(session)
    return Answer(200, b"", HTML, {"X-User": address, "X-User-Token": token})


def _is_enabled(call: Call, address: str) -> bool:
    user = call.store.find(Kind.USER, address)
    return user is not None and bool(user["enabled"])


def _session(request: Request) -> str | None:
    cookies = SimpleCookie(request.headers.get("Cookie", ""))
    return cookies[COOKIE].value if COOKIE in cookies else None


def _form(call: Call, reason: str) -> Answer:
    """Show the form, in the browser's session or a new one, which has no owner yet."""
    session = _session(call.request) or secrets.token_urlsafe()
    button = "submitWebmail" if call.app.settings.webmail else "submitAdmin"
    text = FORM.format(reason=escape(reason), proof=_proof(call, session), button=button)
    return Answer(200, text.encode(), HTML, {"Set-Cookie": _cookie(session)})


def _proof(call: Call, session: str) -> str:
    """Return what a form of this session has in it, which no other page can know."""
    key = call.app.settings.secret_key.encode()
    return hmac.new(key, session.encode(), hashlib.sha256).hexdigest()


def _cookie(session: str, more: str = "") -> str:
    return f"{COOKIE}={session}; Path=/; Secure; HttpOnly; SameSite=Lax{more}"


def _led(where: str, cookie: str) -> Answer:
    return Answer(302, b"", HTML, {"Location": where, "Set-Cookie": cookie})


ROUTES = (
    Route("GET", LOGIN, show_login),
    Route("POST", LOGIN, log_in),
    Route("GET", "/sso/logout", log_out),
    Route("GET", "/internal/auth/user", check_session),
)
