"""Requests: redirects that cannot lead where they must not, and certificates that are verified."""

from __future__ import annotations

import ssl
from typing import Any
from urllib import request
from urllib.parse import urlsplit


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


def verification(url: str) -> ssl.SSLContext | bool:
    """Return by what a client of httpx2 verifies certificates, if all its requests go to this URL.

    To load all authorities takes a tenth of a second of each process, and HTTP has no use for them.
    A client without any refuses each certificate.
    """
    if urlsplit(url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return True
