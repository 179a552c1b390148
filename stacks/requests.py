"""Reasons of failed requests, without secrets."""

from __future__ import annotations

import json
import urllib.error

from kit.faults import first_line


def reason(error: Exception) -> str:
    """Return why a request failed; the text of a ValueError may hold the header with its secret."""
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "the answer is not JSON"
    if isinstance(error, ValueError):
        return "the key or token has characters that a header cannot have"
    return first_line(error, "the answer broke off")
