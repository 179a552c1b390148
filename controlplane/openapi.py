"""The OpenAPI document; adds what all endpoints have in common."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from blueprint.faults import INVALID
from blueprint.loading import parse
from blueprint.platform import Platform
from blueprint.render import render
from controlplane.faults import (
    DATABASE_BUSY,
    DATABASE_FULL,
    DATABASE_SLOW,
    DATABASE_UNAVAILABLE,
    INTERNAL,
    INVALID_REQUEST,
    KEY_INVALID,
    KEY_MISSING,
    MALFORMED_JSON,
    NOT_JSON,
    SCOPE_MISSING,
    TOO_LARGE,
)
from controlplane.problems import responses
from controlplane.schemas import ProblemDocument
from controlplane.tenants.schemas import EXAMPLE
from kit.faults import Code

NEVER_SENT = ("HTTPValidationError", "ValidationError")
"""Schemas of the framework's own errors; ours are problems."""
RENDERED = (("/tenants/{name}/blueprint", "get"), ("/blueprints", "post"))


def install(app: FastAPI, *, prefix: str, platform: Platform) -> None:
    """Describe every endpoint of `app` with all its errors and an example of its response."""

    def described_app() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app, prefix, platform)
        return app.openapi_schema

    app.openapi = described_app  # type: ignore[method-assign]


def _describe(app: FastAPI, prefix: str, platform: Platform) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = schema["components"]["schemas"]
    for name in NEVER_SENT:
        schemas.pop(name, None)
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["ProblemDocument"] = problem
    for path in schema["paths"].values():
        for operation in path.values():
            own = operation["responses"]
            # The framework describes its own validation error here, which is never sent.
            if "application/json" in own.get("422", {}).get("content", {}):
                del own["422"]
            for status, described in responses(*_common_errors(operation)).items():
                contents = own.setdefault(str(status), described)["content"]
                for kind, content in described["content"].items():
                    contents[kind]["examples"] |= content["examples"]
    blueprint = render(
        parse(EXAMPLE, platform=platform), platform=platform, keys=None, generation=1
    ).model_dump(mode="json", by_alias=True)
    for where, method in RENDERED:
        response = schema["paths"][prefix + where][method]["responses"]["200"]
        response["content"]["application/json"]["example"] = blueprint
    return schema


def _common_errors(operation: dict[str, Any]) -> list[Code]:
    """Return the errors that follow from an endpoint's inputs."""
    codes = [INTERNAL]
    if operation.get("security"):
        codes += [KEY_MISSING, KEY_INVALID, SCOPE_MISSING]
        codes += [DATABASE_UNAVAILABLE, DATABASE_FULL, DATABASE_BUSY, DATABASE_SLOW]
    if operation.get("parameters"):
        codes += [INVALID_REQUEST]
    if operation.get("requestBody"):
        codes += [MALFORMED_JSON, TOO_LARGE, NOT_JSON, INVALID]
    return codes
