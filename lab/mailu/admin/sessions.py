"""Sessions of people in a browser, and the tokens by which webmail logs in for them, in Valkey."""

from __future__ import annotations

import secrets

from lab.mailu.admin.valkey import Valkey

SECONDS = 3600
TEMPORARY = "token-"
"""How a token of webmail begins."""


class Sessions:
    """A session has an owner from the login on, and at most one token."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    def begun(self, address: str) -> str:
        """Return a new session of a user."""
        session = secrets.token_urlsafe()
        self._valkey.run(("SET", f"session-{session}", address, "EX", SECONDS))
        return session

    def owner(self, session: str | None) -> str | None:
        """Return whose session it is, None without a login."""
        if session is None:
            return None
        [owner] = self._valkey.run(("GET", f"session-{session}"))
        return None if owner is None else str(owner)

    def token(self, session: str) -> str:
        """Return the token by which webmail may log in while the session lasts."""
        new = f"{TEMPORARY}{secrets.token_urlsafe()}"
        self._valkey.run(("SET", f"webmail-of-{session}", new, "NX", "EX", SECONDS))
        [token] = self._valkey.run(("GET", f"webmail-of-{session}"))
        self._valkey.run(("SET", f"webmail-{token}", session, "EX", SECONDS))
        return str(token)

    def owner_of_token(self, token: str) -> str | None:
        """Return for whom webmail may log in with a token."""
        [session] = self._valkey.run(("GET", f"webmail-{token}"))
        return None if session is None else self.owner(str(session))

    def end(self, session: str) -> None:
        """Log out."""
        self._valkey.run(("DEL", f"session-{session}"), ("DEL", f"webmail-of-{session}"))
