"""The JSON Schema of the tenant document, for editors and other programs."""

from __future__ import annotations

from typing import Any

from blueprint.tenant import Tenant

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def tenant_schema() -> dict[str, Any]:
    """Return the schema of what the loader accepts, except for `blueprint.faults.ACROSS_FIELDS`."""
    comment = "Rules across fields are not included: see docs/reference/tenant.md"
    return {"$schema": DIALECT, "$comment": comment, **Tenant.model_json_schema()}
