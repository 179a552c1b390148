"""Commands against a real API on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psycopg
import pytest

from cli.environment import Environment
from controlplane.images.settings import ImageSettings
from tests.support.command_line import run
from tests.support.installation import NO_REGISTRY
from tests.support.running_api import running_api
from tests.support.waiting import wait_for

FILE = """
apiVersion: penguinmails.dev/v1
kind: Tenant
metadata: {name: acme}
spec:
  plan: business
  region: us-west
  hosts: [{name: mx1, size: business, addresses: 2, zone: acme.example, mail: none}]
  domains: [{name: acme.example}, {name: acme-mail.example, dns: manual}]
  mailboxes: [{address: sales@acme.example}]
  sending: {postal_address: "Acme Inc., Springfield"}
"""


@dataclass
class Plane:
    """A running API and its database, in which a test writes what a reconciler would."""

    url: str
    key: str
    dsn: str

    def set(
        self, type_: str, status: str, reason: str, message: str = "", subject: str = "tenant"
    ) -> None:
        """Set a condition of the tenant, or of a part, for its current generation."""
        with psycopg.connect(self.dsn) as admin:
            admin.execute(
                "insert into oltp.conditions (tenant_id, subject, type, status, reason, message, "
                "observed_generation, last_transition_at) select id, %s, %s, %s, %s, %s, "
                "generation, now() from oltp.tenants where name = 'acme' "
                "on conflict (tenant_id, subject, type) do update set status = excluded.status, "
                "reason = excluded.reason, message = excluded.message, "
                "observed_generation = excluded.observed_generation",
                [subject, type_, status, reason, message],
            )

    def run(self, statement: str) -> None:
        """Run a statement as the superuser."""
        with psycopg.connect(self.dsn) as admin:
            admin.execute(statement)

    def delete_when_requested(self) -> None:
        """Wait until the tenant's deletion is requested, and delete it."""

        def deleted() -> bool:
            with psycopg.connect(self.dsn) as admin:
                return admin.execute("delete from oltp.tenants where deleting").rowcount > 0

        wait_for(deleted)


@pytest.fixture
def images() -> ImageSettings:
    """The registry of images."""
    return NO_REGISTRY


@pytest.fixture
def plane(
    upgraded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: ImageSettings
) -> Iterator[Plane]:
    with running_api(upgraded, tmp_path / "log", images) as (url, key):
        monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "state"))
        monkeypatch.setenv("PENGUIN_API_URL", url)
        monkeypatch.setenv("PENGUIN_API_KEY", key)
        yield Plane(url, key, upgraded)


@pytest.fixture
def penguin() -> Callable[..., int]:
    """Run the command line, with `sleep` for its pauses, and return its exit code."""
    pause = threading.Event()

    def penguin(
        *arguments: str, sleep: Callable[[float], object] | None = None, stdin: TextIO | None = None
    ) -> int:
        wait = sleep or (lambda _: pause.wait(0.02))
        return run(*arguments, environment=Environment(sleep=wait, stdin=stdin))

    return penguin


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "acme.yaml"
    path.write_text(FILE)
    return path
