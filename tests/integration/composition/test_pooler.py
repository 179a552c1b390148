"""Behind PgBouncer in transaction mode: each transaction may get another session of the server."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2

from controlplane.faults import DATABASE_POOLED
from kit.database import Role, role_dsn
from stacks.backend import Stacks
from stacks.faults import STATE_POOLED
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows, fault_shown
from tests.support.pooler import running_pooler

from .conftest import Installation

PARALLEL, ROUNDS = 8, 15
"""More clients than sessions, and more rounds than a driver waits before it prepares a query."""


def passwords(installation: Installation) -> dict[str, str]:
    text = (installation.directory / "settings.env").read_text()
    found = dict(re.findall(r'PENGUIN_DATABASE__(\w+)_PASSWORD="?([^"\n]+)', text))
    admin = unquote(str(urlsplit(installation.dsn).password))
    return {"postgres": admin} | {installation.login(role): found[role.upper()] for role in Role}


def test_control_plane_behind_a_pooler_serves_each_tenant_its_own(
    installation: Installation, servers_dir: Path
) -> None:
    installation.do("db", "upgrade")
    logins = passwords(installation)
    with (
        running_pooler(installation.dsn, logins, servers_dir) as pooled,
        installation.serving("api", "sender", "public", PENGUIN_DATABASE__DSN=pooled),
    ):
        url = f"{installation.announced['url']}/api/v1"
        context = json.loads((installation.directory / "context.json").read_text())
        headers = {"Authorization": f"Bearer {context['api_key']}"}
        with httpx2.Client(base_url=url, headers=headers, trust_env=False) as operator:
            keys = {name: _tenant(operator, name) for name in ("acme", "globex")}

        def requests(name: str) -> set[tuple[int, str]]:
            headers = {"Authorization": f"Bearer {keys[name]}"}
            with httpx2.Client(base_url=url, headers=headers, trust_env=False) as client:
                return {_seen(client, name) for _ in range(ROUNDS)}

        names = [*keys] * (PARALLEL // 2)
        with ThreadPoolExecutor(PARALLEL) as threads:
            assert [*threads.map(requests, names)] == [{(202, name)} for name in names]
        login = installation.login(Role.ENGINE)
        state = role_dsn(pooled, login, logins[login])
        with fault_shown(STATE_POOLED):
            Stacks(state).exists("acme")
        assert not Stacks(f"{state}&binary_parameters=yes").exists("acme")
        admin = role_dsn(pooled, "postgres", logins["postgres"])
        refused = installation.run("db", "upgrade", PENGUIN_DATABASE__ADMIN_DSN=admin)
    assert refused.returncode == 1
    assert_shows(refused.stderr, DATABASE_POOLED)


def _tenant(operator: httpx2.Client, name: str) -> str:
    """Create a tenant, and return a key of it."""
    operator.post("/tenants", json=document(name)).raise_for_status()
    scopes = ["tenants:read", "messages:read", "messages:send"]
    created = operator.post("/keys", json={"tenant": name, "scopes": scopes})
    return str(created.raise_for_status().json()["key"])


def _seen(client: httpx2.Client, name: str) -> tuple[int, str]:
    """Queue a message; return the status, and the tenants that the key sees."""
    message = {
        "from": f"sales@{name}.example",
        "to": "bob@rcpt.example",
        "subject": "Hi",
        "text": "Hi",
    }
    sent = client.post("/messages", json=message)
    listed = client.get("/tenants").raise_for_status().json()["items"]
    senders = client.get("/messages").raise_for_status().json()["items"]
    assert {item["from"] for item in senders} == {message["from"]}
    return sent.status_code, ",".join(tenant["name"] for tenant in listed)
