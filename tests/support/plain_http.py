"""HTTP requests to servers without TLS."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx2

from kit.web import verification
from tests.support.waiting import SECONDS


def plain_client(base_url: str, headers: Mapping[str, str] | None = None) -> httpx2.Client:
    """Return a client without proxy and certificates, which take a tenth of a second to load."""
    return httpx2.Client(
        base_url=base_url,
        headers=headers,
        verify=verification("http:"),
        trust_env=False,
        timeout=SECONDS,
    )


def request(method: str, url: str, **options: Any) -> httpx2.Response:
    """Send one request."""
    with plain_client("") as client:
        return client.request(method, url, **options)


get = partial(request, "GET")
post = partial(request, "POST")
delete = partial(request, "DELETE")
