"""TLS to our own hosts: whom an address trusts, and sessions that are resumed."""

from __future__ import annotations

import ssl
from functools import lru_cache

KEPT = 1000
"""Contexts; each takes a quarter of a millisecond to make."""


class Context(ssl.SSLContext):
    """Resumes the last session with a host, by its name.

    No certificate is sent and verified again then, which takes half of a handshake. A session is
    the host's to accept, ends with the ticket's life, and is known to the context of its CA alone.
    """

    def __init__(self, *_: object) -> None:
        """Know no session yet."""
        self._sessions: dict[str, ssl.SSLSession] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return a connection that asks its host to resume, if there was another one before."""
        if session is None and isinstance(server_hostname, str):
            session = self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def keep(self, connection: ssl.SSLObject) -> None:
        """Resume the session of a connection from now on, until the host refuses its ticket.

        The ticket has come once the host has answered anything after the handshake. Each look at a
        session copies it, which takes a third of a handshake.
        """
        name = connection.server_hostname
        if name is None or connection.session_reused:
            return
        session = connection.session
        if session is not None and session.has_ticket:
            self._sessions[name] = session


@lru_cache(maxsize=KEPT)
def context_of(ca_pem: str) -> Context:
    """Trust the control plane's CA only."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=ca_pem)
    return context
