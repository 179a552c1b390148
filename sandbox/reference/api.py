"""The page of the tenant API: its endpoints, from its OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from blueprint.platform import Platform
from controlplane.app import create_app
from controlplane.database import Database
from kit.database import Role

HEAD = """# Tenant API

A running control plane describes itself in full, with schemas and examples:
`/api/v1/openapi.json`, to read and try at `/api/v1/docs`. Requests carry
`Authorization: Bearer KEY`; what is refused is answered as `application/problem+json` (RFC 9457)
with a stable `code` and a `remedy`.

| | Path | | Refusals |
|---|---|---|---|
"""


def page() -> str:
    """List every endpoint."""
    text = HEAD
    for path, operations in description()["paths"].items():
        for method, operation in operations.items():
            about = " ".join(operation.get("description", "").split())
            refusals = ", ".join(sorted(s for s in operation["responses"] if s >= "400"))
            text += f"| {method.upper()} | `{path}` | {about} | {refusals} |\n"
    return text + (
        "\nBeside it, without a key, for mail clients: GET `/u/{token}` shows a page that asks "
        "(HEAD answers like it), POST `/u/{token}` unsubscribes (RFC 8058).\n"
    )


def description() -> dict[str, Any]:
    """Return the API's OpenAPI document; it needs no database."""
    platform = Platform(installation="example", zone="penguinmails.example")
    database = Database.connect(
        "postgresql://localhost/nowhere",
        platform.installation,
        {role: SecretStr("-") for role in Role},
        pool_size=1,
    )
    return create_app(database=database, platform=platform, pepper=b"-").openapi()
