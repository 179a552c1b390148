"""The target of the suite, and a domain of its own for each test."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.mailu_admin import stand_in, valkey_on_tcp

from .client import API, Client

URL, TOKEN, KEYS = "MAILU_CONTRACT_URL", "MAILU_CONTRACT_TOKEN", "MAILU_CONTRACT_DKIM_DIR"


@dataclass(frozen=True)
class Target:
    """The admin that is held to the contract."""

    root: str
    token: str
    keys: Path | None
    """Where its DKIM keys are, if they are files of this machine."""


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    if url := os.environ.get(URL):
        keys = os.environ.get(KEYS)
        root = url.rstrip("/").removesuffix(API)
        yield Target(root, os.environ[TOKEN], Path(keys) if keys else None)
        return
    directory = tmp_path_factory.mktemp("admin")
    with valkey_on_tcp() as valkey, stand_in(directory, valkey) as running:
        yield Target(running.url, running.token, directory)


@pytest.fixture
def client(target: Target, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client; what the marks of the test say is called must be."""
    client = Client(target.root, target.token)
    yield client
    marked = [mark.args[0] for mark in request.node.iter_markers("route")]
    missing = [each for each in marked if not client.called(each)]
    client.close()
    assert missing == [], "a mark names a route that the test does not call"


@dataclass
class Names:
    """Names that only this test has; the objects that have them are removed at its end."""

    client: Client
    mark: str = field(default_factory=lambda: secrets.token_hex(5))

    @property
    def suffix(self) -> str:
        """What its domains have in common."""
        return f"{self.mark}.contract.test"

    def fresh(self) -> str:
        """Return a name of a domain that is free."""
        return f"n{secrets.token_hex(3)}.{self.suffix}"

    def domain(self, **fields: Any) -> str:
        """Make a domain."""
        name = self.fresh()
        self.client.made("/domain", {"name": name, **fields})
        return name

    def user(self, domain: str, local: str = "ada", **fields: Any) -> str:
        """Make a user."""
        address = f"{local}@{domain}"
        body = {"email": address, "raw_password": PASSWORD, **fields}
        self.client.made("/user", body)
        return address

    def token(self, address: str, **fields: Any) -> dict[str, Any]:
        """Make a token."""
        answer = self.client("POST", "/token", {"email": address, **fields})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def clean(self) -> None:
        """Remove what has names of this test: domains take all that is in them along."""
        for token in self.client.shown("/token"):
            if self.mark in token["email"].lower():
                self.client("DELETE", f"/token/{token['id']}")
        for kind in ("relay", "domain"):
            for item in self.client.shown(f"/{kind}", extra={"X-Fields": "name"}):
                if self.mark in item["name"]:
                    self.client("DELETE", f"/{kind}/{item['name']}")


PASSWORD = "a password of the contract suite"


@pytest.fixture
def names(target: Target) -> Iterator[Names]:
    client = Client(target.root, target.token)
    names = Names(client)
    yield names
    names.clean()
    client.close()


@pytest.fixture
def domain(names: Names) -> str:
    """A domain that exists for this test only."""
    return names.domain()


@pytest.fixture
def user(names: Names, domain: str) -> str:
    """A user of the domain."""
    return names.user(domain)


@pytest.fixture
def keys(target: Target) -> Path:
    """The directory of the target's DKIM keys."""
    if target.keys is None:
        pytest.skip(f"the target's key files are not here: {KEYS} is not set")
    return target.keys


@pytest.fixture
def client_address() -> str:
    """An address whose network only this test uses: what it locks, locks no other out."""
    return f"{240 + secrets.randbelow(14)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}.9"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what locks networks at the end."""
    items.sort(key=lambda item: item.get_closest_marker("locks") is not None)
