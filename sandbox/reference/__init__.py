"""Writes docs/reference from the code."""

from __future__ import annotations

import json

from blueprint.schema import tenant_schema
from composition.phases import ROWS
from sandbox.reference import api, commands, conditions, errors, reasons, tenant

NOTICE = "<!-- Written by `make docs` from the code. -->\n\n"


def pages() -> dict[str, str]:
    """Return every file of docs/reference by its name."""
    texts = {
        "api.md": api.page(),
        "cli.md": commands.page(),
        "conditions.md": conditions.page(ROWS),
        "errors.md": errors.page(),
        "reasons.md": reasons.page(),
        "tenant.md": tenant.page(),
    }
    schema = json.dumps(tenant_schema(), indent=2) + "\n"
    return {name: NOTICE + text for name, text in texts.items()} | {"tenant.schema.json": schema}
