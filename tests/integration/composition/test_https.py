"""The part `public` by HTTPS: started by the supervisor, without the key ring."""

from __future__ import annotations

import base64
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controlplane.authority.certificates import Issued, create_ca, issue
from controlplane.certificates import PROOF, PUBLIC_KEYS
from tests.integration.composition.test_parts import memory_of
from tests.support.tls_client import asked
from vault import KeyRing

from .conftest import Installation

NOW, NAME = datetime.now(UTC), "app.penguinmails.example"


@pytest.fixture
def authority() -> Issued:
    return create_ca("test", now=NOW)


@pytest.fixture
def prepared(installation: Installation, authority: Issued, tmp_path: Path) -> Installation:
    """An installation with HTTPS, and a certificate of its own."""
    own, file = issue(authority, NAME, now=NOW), tmp_path / "own.pem"
    file.write_text(own.certificate + own.private_key)
    installation.environment |= {
        "PENGUIN_HTTPS__PORT": "0",
        "PENGUIN_HTTPS__CERTIFICATE": str(file),
    }
    installation.do("db", "upgrade")
    return installation


async def test_endpoints_answer_also_after_a_restart_of_the_part(
    prepared: Installation, authority: Issued
) -> None:
    with prepared.serving("api", "public"):
        port = int(prepared.announced["https"].rpartition(":")[2])
        assert (await asked(port, NAME, authority, PROOF))[0] == 200
        killed = prepared.pid("public")
        os.kill(killed, signal.SIGKILL)
        assert (await asked(port, NAME, authority, PROOF))[0] == 200


def test_part_holds_keys_of_certificates_and_not_the_key_ring(prepared: Installation) -> None:
    ring = KeyRing.load(prepared.directory / "master.keys")
    with prepared.serving("api", "public"):
        memory = memory_of(prepared.pid("public"))
    written, derived = (
        json.loads(keys.document())["keys"][0]["key"].encode()
        for keys in (ring, ring.derived(PUBLIC_KEYS))
    )
    file = str(prepared.directory / "master.keys").encode()
    for secret in (written, base64.b64decode(written), file):
        assert secret not in memory
    assert base64.b64decode(derived) in memory
