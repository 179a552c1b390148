"""An HTTP client for servers without TLS."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpx2


def plain_client(base_url: str, headers: Mapping[str, str] | None = None) -> httpx2.Client:
    """Return a client without proxy and certificates, which take a tenth of a second to load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.Client(base_url=base_url, headers=headers, verify=context, trust_env=False)
