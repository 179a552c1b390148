"""Each part in its own process: the secrets it holds, and what happens when a part fails."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from composition.faults import PARTS_DOWN
from composition.settings import Settings
from kit.database import Role
from kit.processes import identity, is_running
from sender import directory
from sender.directory import DirectoryEntry
from sender.outbox import enqueue
from tests.integration.conftest import fresh_database
from tests.integration.controlplane.conftest import document
from tests.integration.sender.conftest import (
    engine_as,
    entry,
    mail,
    sink,
    tenant_id,
    tenant_transaction,
)
from tests.integration.sender.sink import Sink
from tests.support import plain_http
from tests.support.faults import assert_shows
from tests.support.processes import children, command, suspended
from tests.support.waiting import SECONDS, reached, wait_for
from tools.servers import Postgres, Valkey

from .conftest import Installation

__all__ = ["entry", "sink", "tenant_id"]
PARTS = ("api", "public", "reconciler", "sender", "checker")
PROVIDER = {"HOSTWINDS_API_KEY": "hostwinds-credential", "CLOUDFLARE_API_TOKEN": "cf-credential"}


@pytest.fixture
def ring(control_plane: Installation) -> Path:
    return control_plane.directory / "master.keys"


@pytest.fixture
def prepared(installation: Installation, valkey: str) -> Installation:
    """An installation whose parts can be started."""
    return prepare(installation, valkey)


@pytest.fixture(scope="module")
def control_plane(
    postgres_server: Postgres, valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """All parts, for the tests of this module: each test leaves them healthy."""
    with fresh_database(postgres_server) as dsn:
        installation = Installation(tmp_path_factory.mktemp("state"), dsn)
        installation.do("init")
        installation.environment["PENGUIN_MAIL__LISTS"] = "true"
        with prepare(installation, valkey_server.url()).serving():
            yield installation


def prepare(installation: Installation, valkey: str) -> Installation:
    """Configure all parts; the reconciler has no usable engine, so that passes end soon."""
    installation.environment |= {
        **PROVIDER,
        "PENGUIN_REDIS__URL": valkey,
        "PENGUIN_MAIL__PUBLIC_URL": "https://app.penguinmails.example",
        "PULUMI_BACKEND_URL": "postgres://engine:backend-credential@127.0.0.1:9/state",
        "PULUMI_HOME": str(installation.directory),
        "HOSTWINDS_JOURNAL": str(installation.directory / "journal.json"),
        "PENGUIN_CERTIFICATES__FIRST__DIRECTORY": "",
    }
    installation.do("db", "upgrade")
    return installation


class Work:
    """Work for the parts: passes of a tenant, and mail of another that can send."""

    def __init__(self, dsn: str, api: str, name: str, tenant: UUID, sink: Sink) -> None:
        self._dsn = dsn
        self._api = api
        self._name = name
        self._tenant = tenant
        self._sink = sink

    async def one_mail_and_one_pass(self) -> None:
        """Queue a mail and make the tenant due; return when both are done."""
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as admin:
            before = await self._passes(admin)
            await admin.execute("update oltp.schedule set due_at = now()")
            engine = engine_as(self._dsn, self._api)
            async with tenant_transaction(engine, self._tenant) as connection:
                await enqueue(
                    connection,
                    tenant_id=self._tenant,
                    message=mail(),
                    idempotency_key=None,
                )
            await engine.dispose()
            await asyncio.wait_for(self._sink.arrived.wait(), SECONDS)
            await reached(lambda: self._passes(admin), lambda passes: passes > before)

    async def _passes(self, admin: psycopg.AsyncConnection[Any]) -> int:
        """Return the number of the last pass that has ended; the one that runs does not count."""
        cursor = await admin.execute(
            "select token, lease_owner is null from oltp.schedule s "
            "join oltp.tenants t on t.id = s.tenant_id where t.name = %s",
            [self._name],
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0]) if row[1] else -1


@pytest.fixture
async def work(
    control_plane: Installation, entry: DirectoryEntry, tenant_id: UUID, sink: Sink
) -> AsyncIterator[Work]:
    database, name = control_plane.dsn, f"acme{secrets.token_hex(3)}"
    key = json.loads((control_plane.directory / "context.json").read_text())["api_key"]
    answer = plain_http.post(
        f"{control_plane.announced['url']}/api/v1/tenants",
        json=document(name),
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 201, answer.text
    controller = engine_as(database, control_plane.login(Role.CONTROLLER))
    async with controller.begin() as connection:
        await directory.publish(connection, tenant_id=tenant_id, entry=entry)
    await controller.dispose()
    with psycopg.connect(database, autocommit=True) as admin:
        ended = "select bool_and(token > 0 and lease_owner is null) from oltp.schedule"
        wait_for(lambda: admin.execute(ended).fetchone() == (True,))
    yield Work(database, control_plane.login(Role.API), name, tenant_id, sink)
    # The sink's connections end with the sender, while their loop still runs.
    await asyncio.to_thread(restart, control_plane, "sender")


def restart(control_plane: Installation, part: str) -> None:
    """Kill a part and wait until its next process is healthy."""
    killed = control_plane.pid(part)
    os.kill(killed, signal.SIGKILL)
    with psycopg.connect(control_plane.dsn, autocommit=True) as admin:
        restarted = "select process from oltp.heartbeats where part = %s and process <> %s"
        wait_for(lambda: admin.execute(restarted, [part, killed]).fetchone())
    wait_for(lambda: control_plane.health(part).status_code == 200)


def settings_of(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    return Settings.read(installation.directory)


def test_part_that_runs_holds_no_secret_of_another(
    control_plane: Installation, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(control_plane, monkeypatch)
    passwords = settings.database.passwords()
    [redis_password] = re.findall(r":([^:@/]+)@", valkey)
    assert settings.database.dsn is not None
    [superuser] = re.findall(r":([^:@/]+)@", settings.database.dsn.get_secret_value())
    holders: dict[str, set[str]] = {
        passwords[Role.API].get_secret_value(): {"api"},
        passwords[Role.OPERATOR].get_secret_value(): {"api"},
        passwords[Role.PUBLIC].get_secret_value(): {"public"},
        passwords[Role.CONTROLLER].get_secret_value(): {"reconciler", "checker"},
        passwords[Role.SENDER].get_secret_value(): {"sender"},
        passwords[Role.ENGINE].get_secret_value(): set(),
        passwords[Role.JOURNAL].get_secret_value(): {"reconciler"},
        settings.api.pepper.get_secret_value(): {"api"},
        settings.mail.token_key.get_secret_value(): {"public", "sender"},
        str(control_plane.directory / "master.keys"): {"reconciler", "sender", "checker"},
        redis_password: {"api", "sender"},
        superuser: set(),
        "backend-credential": {"reconciler"},
        **{credential: {"reconciler"} for credential in PROVIDER.values()},
    }
    held = {part: memory_of(control_plane.pid(part)) for part in PARTS}
    for secret, parts in holders.items():
        assert {part for part, memory in held.items() if secret.encode() in memory} == parts, secret
    for part in PARTS:
        directory = Path(f"/proc/{control_plane.pid(part)}")
        seen = (directory / "environ").read_bytes() + (directory / "cmdline").read_bytes()
        assert not [secret for secret in holders if secret.encode() in seen], part


def memory_of(pid: int) -> bytes:
    """Return everything that a process has written to its memory, settings included."""
    content = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights, *_, name = (*line.split(), "")[:7]
            if rights.startswith("rw") and not name.startswith("[v"):
                first, last = (int(end, 16) for end in area.split("-"))
                while first < last:
                    try:
                        pages = os.pread(memory.fileno(), last - first, first)
                    except OSError:  # an unbacked page, such as one beyond a file's end
                        pages = b""
                    content += pages
                    first += len(pages) or os.sysconf("SC_PAGE_SIZE")
    return bytes(content)


def test_part_that_is_killed_is_restarted_and_the_others_go_on(
    control_plane: Installation,
) -> None:
    for part in PARTS:
        others = {other: control_plane.pid(other) for other in PARTS if other != part}
        restart(control_plane, part)
        assert {other: control_plane.pid(other) for other in others} == others


def test_sender_answers_with_its_metrics(control_plane: Installation) -> None:
    url = f"{control_plane.announced['metrics_url']}/metrics"
    # A sender that another test killed has its slots until its lease ends.
    wait_for(lambda: "\npenguin_sender_slots 256\n" in plain_http.get(url).text)
    content_type = plain_http.get(url).headers["content-type"]
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_reconciler_answers_with_its_metrics(control_plane: Installation) -> None:
    url = f"{control_plane.announced['reconciler_metrics_url']}/metrics"
    wait_for(lambda: plain_http.get(url).status_code == 200)
    assert 'penguin_reconciler_workers{state="idle"}' in plain_http.get(url).text


def test_checker_answers_with_its_metrics(control_plane: Installation) -> None:
    url = f"{control_plane.announced['checker_metrics_url']}/metrics"
    wait_for(lambda: plain_http.get(url).status_code == 200)
    assert "penguin_checker_overdue_seconds 0" in plain_http.get(url).text


def test_part_that_hangs_is_reported_by_health_until_it_goes_on(
    control_plane: Installation,
) -> None:
    pids = {part: control_plane.pid(part) for part in ("public", "reconciler", "sender")}
    with suspended(*pids.values()):
        for part, pid in pids.items():
            wait_for(lambda: control_plane.health(part).status_code == 503)  # noqa: B023 - called at once
            detail = control_plane.health(part).json()["detail"]
            assert re.fullmatch(rf"process {pid} on \S+ has been silent for \d+ s", detail)
        seen = control_plane.health().json()["parts"]
        assert {name for name in seen if seen[name]["status"] != "ok"} == {*pids, "queue"}
    wait_for(lambda: control_plane.health().status_code == 200)


def test_health_of_a_hanging_database_answers_within_a_second(
    control_plane: Installation, postgres_server: Postgres
) -> None:
    postmaster = postgres_server.pid()
    assert postmaster is not None
    with suspended(postmaster), suspended(*children(postmaster)):
        for part in ("", "db", "sender"):
            wait_for(lambda: control_plane.health(part, seconds=1).status_code == 503)  # noqa: B023 - called at once
    wait_for(lambda: control_plane.health().status_code == 200)


def test_part_that_keeps_dying_is_left_down_and_health_says_so(prepared: Installation) -> None:
    def left_down() -> bool:
        with suppress(ValueError, ProcessLookupError):  # it is not started again yet
            os.kill(prepared.pid("public"), signal.SIGKILL)
        return "left down" in prepared.health("public").text

    with prepared.serving("api", "public"):
        wait_for(left_down)
        assert prepared.health("public").json() == {
            "status": "failing",
            "detail": "left down: it ended 5 times within a minute, by signal SIGKILL",
        }
        assert prepared.health("api").status_code == 200
        assert "public is left down" in prepared.output()


def test_serve_whose_every_part_is_left_down_ends_with_a_fault(
    installation: Installation,
) -> None:
    installation.do("db", "upgrade")
    process = installation.start("serve", "public")

    def ended() -> bool:
        for child in children(process.pid):
            if b"composition.parts" in command(child):
                with suppress(ProcessLookupError):  # it ended by itself
                    os.kill(child, signal.SIGKILL)
        return process.poll() is not None

    try:
        wait_for(ended)
    finally:
        process.kill()
        _, errors = process.communicate()
    assert process.returncode == 1
    assert_shows(errors[errors.index("error[") :], PARTS_DOWN, parts="public")


def test_parts_of_a_killed_supervisor_end(prepared: Installation) -> None:
    with prepared.serving() as supervisor:
        identities = [identity(prepared.pid(part)) for part in PARTS]
        supervisor.kill()
        wait_for(lambda: not any(is_running(str(process)) for process in identities))


def test_sigterm_sent_twice_kills_a_part_that_does_not_end(prepared: Installation) -> None:
    with prepared.serving("api", "sender") as supervisor:
        os.kill(prepared.pid("sender"), signal.SIGSTOP)
        supervisor.terminate()
        api = identity(prepared.pid("api"))
        wait_for(lambda: not is_running(str(api)))
        assert supervisor.poll() is None
        supervisor.terminate()
        assert supervisor.wait(SECONDS) == 0


async def test_api_that_hangs_delays_neither_mail_nor_passes(
    control_plane: Installation, work: Work
) -> None:
    pid = control_plane.pid("api")
    with suspended(pid):
        await work.one_mail_and_one_pass()
    wait_for(lambda: control_plane.health("api").status_code == 200)


async def test_request_that_keeps_the_api_busy_delays_neither_mail_nor_passes(
    control_plane: Installation, work: Work
) -> None:
    body = b"[" + b"[]," * (16 * 2**20 // 3 - 2) + b"[]]"
    url = f"{control_plane.announced['url']}/api/v1/messages"
    answered: list[tuple[float, int]] = []

    def send() -> None:
        headers = {"Content-Type": "application/json"}
        answer = plain_http.post(url, content=body, headers=headers)
        answered.append((time.monotonic(), answer.status_code))

    sending = threading.Thread(target=send)
    sending.start()
    await work.one_mail_and_one_pass()
    done = time.monotonic()
    await asyncio.to_thread(sending.join, SECONDS)
    [(at, status)] = answered
    assert status in {401, 413, 422}
    # One without a key is refused before its body is read: it cannot have delayed anything.
    assert status == 401 or done < at
