"""Schemathesis: whatever is sent, every endpoint answers as its description says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from controlplane.identity.keys import Scope
from kit.paths import checkout
from tests.integration.controlplane.conftest import document
from tests.support.image_registry import ImageRegistry
from tests.support.running_api import running_api

MESSAGE = {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hi", "text": "Hello"}
OPTIONS = (
    "--checks=all",
    "--exclude-checks=positive_data_acceptance",  # stricter in tests/support/schemathesis_checks.py
    "--max-response-time=300",
    "--wait-for-schema=300",  # a loaded machine takes longer than 10 s for it
    "--generation-deterministic",
    "--suppress-health-check=all",
    "--warnings=off",
    "--no-color",
)
PHASES = {"operator": "examples,coverage,fuzzing,stateful", "tenant": "fuzzing,stateful"}
"""A tenant's key passes the same schemas: what differs are rights, for which fewer requests do."""
EXAMPLES = 3
"""Generated requests per endpoint and phase; together about 35 seconds of one core."""


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("owner", PHASES)
def test_any_request_is_answered_as_described(
    owner: str, upgraded: str, tmp_path: Path, image_registry: ImageRegistry
) -> None:
    with running_api(upgraded, tmp_path, image_registry.settings) as (url, key):
        keys = {"operator": key, "tenant": _key_of_tenant(url, key)}
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("st")),
                "run",
                f"{url}/api/v1/openapi.json",
                f"--header=Authorization: Bearer {keys[owner]}",
                f"--max-examples={EXAMPLES}",
                f"--phases={PHASES[owner]}",
                *OPTIONS,
            ],
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_checks",
                "PYTHONPATH": str(checkout()),
                "NO_PROXY": "127.0.0.1",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr


def _key_of_tenant(url: str, key: str) -> str:
    """Create a tenant with a message, and return a key of it."""
    with httpx2.Client(
        base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, trust_env=False
    ) as operator:
        operator.post("/tenants", json=document()).raise_for_status()
        operator.post("/messages", params={"tenant": "acme"}, json=MESSAGE).raise_for_status()
        created = operator.post("/keys", json={"tenant": "acme", "scopes": list(Scope)})
        return str(created.raise_for_status().json()["key"])
