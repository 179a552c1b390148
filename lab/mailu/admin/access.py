"""Who may call the API."""

from __future__ import annotations

import hmac
import logging

from lab.mailu.admin.application import Application
from lab.mailu.admin.messages import Aborted, Request

LOG = logging.getLogger("admin")
SHORTEST = 4


def authorize(app: Application, request: Request) -> None:
    """Let a request through only with the API's token, and not from a blocked network."""
    client = request.client
    if app.counters.blocked(client):
        raise Aborted(429, "Too many attempts from this network")
    given = request.headers.get("Authorization")
    if not given:
        raise Aborted(401, "The header Authorization is missing")
    token = app.settings.api_token
    if not token:
        raise RuntimeError("API_TOKEN is not set")
    # compare_digest refuses a text that is not ASCII, before anything is counted: that is a 500
    right = hmac.compare_digest(given.removeprefix("Bearer "), token)
    if len(token) < SHORTEST or not right:
        app.counters.failed(client)
        LOG.warning("wrong API token from %s", client)
        raise Aborted(403, "The API token is wrong")
