"""The description of the API: complete, with errors, and examples that are accepted."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI


def operations(app: FastAPI) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def test_description_lists_every_endpoint(app: FastAPI) -> None:
    assert {name for name, _ in operations(app)} == {
        "get /api/v1/tenants",
        "post /api/v1/tenants",
        "get /api/v1/tenants/{name}",
        "put /api/v1/tenants/{name}",
        "delete /api/v1/tenants/{name}",
        "post /api/v1/tenants/{name}/retry",
        "post /api/v1/tenants/{name}/pause",
        "post /api/v1/tenants/{name}/resume",
        "post /api/v1/tenants/{name}/cancel",
        "post /api/v1/tenants/{name}/limits",
        "get /api/v1/tenants/{name}/blueprint",
        "get /api/v1/tenants/{name}/operations",
        "get /api/v1/tenants/{name}/next-look",
        "get /api/v1/tenants/{name}/mailboxes/{address}/settings",
        "get /api/v1/tenants/{name}/mailboxes/{address}/tokens",
        "post /api/v1/tenants/{name}/mailboxes/{address}/tokens",
        "delete /api/v1/tenants/{name}/mailboxes/{address}/tokens/{token}",
        "post /api/v1/tenants/{name}/mailboxes/{address}/password",
        "post /api/v1/blueprints",
        "get /api/v1/operations",
        "get /api/v1/operations/{operation_id}",
        "get /api/v1/operations/{operation_id}/log",
        "get /api/v1/events",
        "get /api/v1/phases",
        "get /api/v1/todo",
        "get /api/v1/platform/limits",
        "post /api/v1/platform/limits",
        "get /api/v1/platform/freezes",
        "post /api/v1/platform/freeze",
        "post /api/v1/platform/unfreeze",
        "get /api/v1/platform/images",
        "post /api/v1/platform/images",
        "get /api/v1/stops",
        "post /api/v1/stop",
        "post /api/v1/start",
        "get /api/v1/warmup",
        "post /api/v1/warmup",
        "get /api/v1/tenants/{name}/warmup",
        "post /api/v1/tenants/{name}/warmup",
        "get /api/v1/holds",
        "post /api/v1/holds",
        "post /api/v1/holds/end",
        "post /api/v1/tenants/{name}/refresh",
        "post /api/v1/tenants/{name}/release",
        "post /api/v1/tenants/{name}/forget-zones",
        "get /api/v1/keys",
        "post /api/v1/keys",
        "delete /api/v1/keys/{prefix}",
        "get /api/v1/hosts",
        "get /api/v1/addresses",
        "get /api/v1/domains",
        "get /api/v1/mailboxes",
        "get /api/v1/messages",
        "post /api/v1/messages",
        "post /api/v1/messages/batch",
        "post /api/v1/erasures",
        "post /api/v1/messages/cancel",
        "post /api/v1/messages/{message_id}/cancel",
        "get /api/v1/messages/events",
        "get /api/v1/messages/{message_id}",
        "get /api/v1/queue",
        "get /api/v1/queue/top",
        "get /api/v1/metrics",
        "get /api/v1/queue/dead",
        "post /api/v1/queue/dead/replay",
        "post /api/v1/queue/dead/purge",
        "post /api/v1/queue/recover",
        "get /api/v1/mailq",
        "post /api/v1/mailq/release",
        "post /api/v1/mailq/withdraw",
        "post /api/v1/mailq/retry",
        "get /api/v1/mailq/unknown",
        "post /api/v1/mailq/resolve",
        "get /api/v1/suppressions",
        "post /api/v1/suppressions",
        "post /api/v1/suppressions/check",
        "post /api/v1/suppressions/remove",
        "get /api/v1/health",
        "get /api/v1/health/{part}",
    }


def test_description_has_an_example_of_every_answer(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for name, operation in operations(app):
        for status, answer in operation["responses"].items():
            assert ("content" in answer) == (status != "204"), name
            for content in answer.get("content", {}).values():
                schema = schemas.get(content.get("schema", {}).get("$ref", "").split("/")[-1])
                shown = {"example", "examples"} & (content.keys() | (schema or {}).keys())
                assert shown, (name, status)


def test_description_has_an_example_of_every_body(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for name, operation in operations(app):
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            schema = schemas.get(content["schema"].get("$ref", "").split("/")[-1], {})
            assert content.get("examples") or schema.get("examples"), name


def test_description_has_problems_of_every_status(app: FastAPI) -> None:
    for name, operation in operations(app):
        errors = {s: a for s, a in operation["responses"].items() if s >= "400"}
        assert "500" in errors, name
        if "/health" not in name:
            assert {"401", "403", "503"} <= errors.keys(), name
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= errors.keys(), name
        for status, error in errors.items():
            if "/health" in name and status == "503":
                continue
            content = error["content"]["application/problem+json"]
            shown = [example["value"] for example in content["examples"].values()]
            assert {problem["status"] for problem in shown} == {int(status)}, name
            assert list(error["content"]) == ["application/problem+json"], name


def test_description_has_no_dangling_reference(app: FastAPI) -> None:
    described = app.openapi()
    text = json.dumps(described)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in described["components"]["schemas"]


async def test_example_of_a_tenant_is_accepted(operator, app: FastAPI) -> None:
    body = app.openapi()["paths"]["/api/v1/tenants"]["post"]["requestBody"]
    example = body["content"]["application/json"]["examples"]["acme"]["value"]
    assert (await operator.post("/tenants", json=example)).status_code == 201
