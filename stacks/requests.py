"""What a failed request says about its failure without showing a secret."""

from __future__ import annotations

import urllib.error


def reason(error: Exception) -> str:
    """Say why a request failed. A ValueError's text may hold the header, and with it a secret."""
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) if isinstance(error, OSError) else type(error).__name__
