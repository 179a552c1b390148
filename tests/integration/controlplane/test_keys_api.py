"""API keys through the API: rights, revocation, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from composition.db import SQL
from controlplane import faults
from controlplane.identity.keys import Scope
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows

ALL = [scope.value for scope in sorted(Scope)]


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    return dict((await operator.post("/tenants", json=document())).json())


def client_with(app: FastAPI, key: str) -> httpx2.AsyncClient:
    """Return a client with a key."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://penguin/api/v1",
        headers={"Authorization": f"Bearer {key}"},
    )


async def created(client: httpx2.AsyncClient, tenant: str | None, *scopes: str) -> dict[str, Any]:
    answer = await client.post("/keys", json={"tenant": tenant, "scopes": scopes or ALL})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_key_of_a_tenant_sees_its_tenant_only(operator, acme, app: FastAPI) -> None:
    await operator.post("/tenants", json=document("beta"))
    key = await created(operator, "acme")
    async with client_with(app, key["key"]) as tenant:
        names = [item["name"] for item in (await tenant.get("/tenants")).json()["items"]]
        assert names == ["acme"]
        assert_shows((await tenant.get("/keys")).json(), faults.OPERATORS_ONLY)
        refused = await tenant.post("/keys", json={"tenant": "acme", "scopes": ALL})
        assert_shows(refused.json(), faults.OPERATORS_ONLY)


async def test_key_of_an_operator_sees_all_tenants(operator, acme, app: FastAPI) -> None:
    key = await created(operator, None, "tenants:read")
    async with client_with(app, key["key"]) as other:
        assert len((await other.get("/tenants")).json()["items"]) == 1
        refused = await other.delete("/tenants/acme")
        assert_shows(refused.json(), faults.SCOPE_MISSING, scope="tenants:write")


async def test_key_with_a_scope_beyond_its_creators_is_refused(
    acme, client_of: Callable[..., Any]
) -> None:
    writer = await client_of(scopes=(Scope.TENANTS_READ, Scope.TENANTS_WRITE))
    request = {"tenant": "acme", "scopes": ["tenants:read", "messages:send"]}
    refused = await writer.post("/keys", json=request)
    assert_shows(refused.json(), faults.SCOPE_MISSING, scope="messages:send")
    listed = (await writer.get("/keys", params={"tenant": "acme"})).json()
    assert listed == {"items": [], "next": None}


async def test_keys_are_listed_in_pages_without_secrets(operator, acme) -> None:
    keys = [await created(operator, tenant) for tenant in ("acme", None, "acme")]
    answer = await operator.get("/keys")
    assert [item["prefix"] for item in answer.json()["items"]] == sorted(
        [*(key["prefix"] for key in keys), operator.headers["Authorization"][7:23]]
    )
    assert not any(key["key"] in answer.text for key in keys)
    first = (await operator.get("/keys", params={"tenant": "acme", "limit": 1})).json()
    second = {"tenant": "acme", "limit": 1, "cursor": first["next"]}
    rest = (await operator.get("/keys", params=second)).json()
    shown = [{**item} for item in first["items"] + rest["items"]]
    assert rest["next"] is None
    assert shown == sorted(
        ({k: v for k, v in key.items() if k != "key"} for key in (keys[0], keys[2])),
        key=lambda item: str(item["prefix"]),
    )
    missing = await operator.get("/keys", params={"tenant": "nope"})
    assert_shows(missing.json(), faults.NOT_FOUND, kind="tenant", name="nope", plural="tenants")


async def test_key_that_was_revoked_is_refused_and_recorded(operator, acme, app: FastAPI) -> None:
    key = await created(operator, "acme", "tenants:read")
    prefix = key["prefix"]
    async with client_with(app, key["key"]) as tenant:
        assert (await tenant.get("/tenants")).status_code == 200
        assert (await operator.delete(f"/keys/{prefix}")).status_code == 204
        assert_shows((await tenant.get("/tenants")).json(), faults.KEY_INVALID)
    again = await operator.delete(f"/keys/{prefix}")
    assert_shows(again.json(), faults.NOT_FOUND, kind="key", name=prefix, plural="keys")
    query = {"tenant": "acme", "subject": f"key/{prefix}"}
    events = (await operator.get("/events", params=query)).json()["items"]
    assert [(event["reason"], event["message"]) for event in events] == [
        ("KeyCreated", "tenants:read"),
        ("KeyRevoked", ""),
    ]


async def test_key_of_the_request_itself_is_not_revoked(operator) -> None:
    prefix = operator.headers["Authorization"][7:23]
    refused = await operator.delete(f"/keys/{prefix}")
    assert_shows(refused.json(), faults.KEY_OF_REQUEST, prefix=prefix)
    assert (await operator.get("/keys")).status_code == 200


async def test_key_of_the_settings_that_was_revoked_is_not_admitted_by_an_upgrade(
    operator, upgraded: str, app: FastAPI
) -> None:
    key = await created(operator, None)
    await operator.delete(f"/keys/{key['prefix']}")
    with psycopg.connect(upgraded) as admin:
        values = {"prefix": key["prefix"], "hash": b"hash", "scopes": ALL}
        admin.execute(SQL.register_operator, values)
    async with client_with(app, key["key"]) as other:
        assert_shows((await other.get("/tenants")).json(), faults.KEY_INVALID)
