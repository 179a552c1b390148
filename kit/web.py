"""Openers of URLs whose redirects cannot carry a request where it must not go."""

from __future__ import annotations

import ssl
from typing import Any
from urllib import request


def encrypted_only(context: ssl.SSLContext | None = None) -> request.OpenerDirector:
    """Return an opener that knows https alone, also where a redirect leads elsewhere."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPSHandler(context=context),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _NoRedirect(request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: the answer is an HTTPError with its status."""


def without_redirects() -> request.OpenerDirector:
    """Return an opener for requests with a credential, which a redirect would hand to others."""
    return request.build_opener(_NoRedirect)
