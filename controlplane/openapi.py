"""The interface's description of itself: what all endpoints share is added here, once."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from blueprint.loading import parse
from blueprint.platform import Platform
from blueprint.render import render
from controlplane.problems import ProblemDocument, described
from controlplane.tenants.schemas import EXAMPLE

NEVER_SENT = ("HTTPValidationError", "ValidationError")
"""Schemas of the framework's own errors; ours are problems."""
RENDERED = (("/tenants/{name}/blueprint", "get"), ("/blueprints", "post"))


def install(app: FastAPI, *, prefix: str, platform: Platform) -> None:
    """Let `app` describe every endpoint with all its errors and an example of its answer."""

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
            for status in _shared(operation):
                operation["responses"].setdefault(str(status), described(status))
            # The framework writes its own form of this one, which is never sent.
            if "422" in operation["responses"]:
                operation["responses"]["422"] = described(422)
    blueprint = render(
        parse(EXAMPLE, platform=platform), platform=platform, keys=None, generation=1
    ).model_dump(mode="json", by_alias=True)
    for where, method in RENDERED:
        found = schema["paths"][prefix + where][method]["responses"]["200"]
        found["content"]["application/json"]["example"] = blueprint
    return schema


def _shared(operation: dict[str, Any]) -> set[int]:
    """Return the errors that an endpoint has because of what it takes."""
    errors = {500}
    if operation.get("security"):
        errors |= {401, 403, 503}
    if operation.get("parameters"):
        errors |= {400, 422}
    if operation.get("requestBody"):
        errors |= {400, 413, 415, 422}
    return errors
