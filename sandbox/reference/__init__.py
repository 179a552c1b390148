"""Writes docs/reference from the code, so that it cannot say anything else than the code does."""

from __future__ import annotations

from sandbox.reference import api, codes, commands, errors, tenant

NOTICE = "<!-- Written by `make docs` from the code. -->\n\n"


def pages() -> dict[str, str]:
    """Return every page of docs/reference by its file name."""
    found = {
        "api.md": api.page(),
        "cli.md": commands.page(),
        "errors.md": errors.page() + codes.page(),
        "tenant.md": tenant.page(),
    }
    return {name: NOTICE + text for name, text in found.items()}
