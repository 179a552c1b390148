"""`penguin init`, `db upgrade` and `serve` as an operator runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis

from controlplane.service import NotListening, listen
from kit.paths import checkout
from sender.lists import Lists


class Installation:
    """One state directory, and the commands on it."""

    def __init__(self, place: Path, dsn: str) -> None:
        self.place = place
        # The platform's settings and nobody's context: only what is given here counts.
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PENGUIN_")}
        self.environment = {
            **clean,
            "PENGUIN_STATE_DIR": str(place),
            "PENGUIN_DATABASE__DSN": dsn,
            "PENGUIN_API__PORT": "0",
            "PYTHONUNBUFFERED": "1",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cli.main", *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=checkout(),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=checkout(),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def installation(tmp_path: Path, database: str) -> Installation:
    made = Installation(tmp_path, database)
    assert made.run("init").returncode == 0
    return made


def test_init_makes_private_files_once(installation: Installation) -> None:
    for name in ("settings.env", "master.keys", "context.json"):
        assert (installation.place / name).stat().st_mode & 0o777 == 0o600, name
    before = (installation.place / "settings.env").read_text()
    again = installation.run("init")
    assert again.returncode == 1
    assert "error[init.exists]" in again.stderr
    assert (installation.place / "settings.env").read_text() == before


def test_the_api_serves_its_first_operator_until_it_is_told_to_end(
    installation: Installation,
) -> None:
    refused = installation.run("serve", "api")
    assert "error[database.not_upgraded]" in refused.stderr
    assert installation.run("db", "upgrade").returncode == 0
    process = installation.start("serve", "api")
    try:
        assert process.stdout is not None
        assert "the API answers at" in process.stdout.readline()
        url = json.loads((installation.place / "serve.json").read_text())["url"]
        key = json.loads((installation.place / "context.json").read_text())["api_key"]
        answer = httpx2.get(f"{url}/api/v1/tenants", headers={"Authorization": f"Bearer {key}"})
        assert answer.json() == {"items": [], "next": None}
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert not (installation.place / "serve.json").exists()
    log = (installation.place / "log" / "control-plane.jsonl").read_text()
    assert json.loads(log.splitlines()[0])["event"] == "starting"
    assert key not in log


def test_a_sender_that_died_quietly_is_seen(installation: Installation, valkey: str) -> None:
    installation.environment["PENGUIN_REDIS__URL"] = valkey
    installation.run("db", "upgrade")
    process = installation.start("serve", "api")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        url = json.loads((installation.place / "serve.json").read_text())["url"]
        nobody = httpx2.get(f"{url}/api/v1/health/email")
        asyncio.run(_say_alive(valkey))
        one = httpx2.get(f"{url}/api/v1/health/email")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert (nobody.status_code, nobody.json()["detail"]) == (503, "NoSenderAlive")
    assert (one.status_code, one.json()["detail"]) == (200, "1 sender is alive")


async def _say_alive(valkey: str) -> None:
    async with Redis.from_url(valkey, decode_responses=True) as client:
        await Lists(client, "host-1").say_alive()


def test_a_second_api_leaves_the_word_of_the_first(installation: Installation) -> None:
    installation.run("db", "upgrade")
    word = installation.place / "serve.json"
    first = installation.start("serve", "api")
    try:
        assert first.stdout is not None
        first.stdout.readline()
        said = word.read_text()
        second = installation.start("serve", "api")
        assert second.stdout is not None
        second.stdout.readline()
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=30)
        assert word.read_text() == said
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert not word.exists()


def test_a_database_that_is_away_is_told_from_one_to_upgrade(installation: Installation) -> None:
    away = installation.run(
        "serve", "api", PENGUIN_DATABASE__DSN="postgresql://nobody@127.0.0.1:9/penguin"
    )
    assert "error[database.unreachable]" in away.stderr
    old = installation.run("serve", "api")
    assert "error[database.not_upgraded]" in old.stderr
    assert "`penguin db upgrade`" in old.stderr


def test_a_redis_url_of_another_kind_is_refused_without_showing_it(
    installation: Installation,
) -> None:
    refused = installation.run("serve", "sender", PENGUIN_REDIS__URL="http://:hunter2@x")
    assert "error[settings.invalid]: PENGUIN_REDIS__URL: a Redis URL begins" in refused.stderr
    assert "hunter2" not in refused.stderr


def test_a_port_that_is_taken_is_named(installation: Installation) -> None:
    installation.run("db", "upgrade")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = installation.run("serve", "api", PENGUIN_API__PORT=port)
    assert refused.returncode == 1
    assert "error[serve.port_taken]" in refused.stderr
    assert f"at: 127.0.0.1:{port}" in refused.stderr
    assert "do: stop the other program, or set PENGUIN_API__PORT" in refused.stderr
    assert "Traceback" not in refused.stderr
    log = (installation.place / "log" / "control-plane.jsonl").read_text()
    assert json.loads(log.splitlines()[-1])["code"] == "serve.port_taken"


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.invalid", "not an address"])
def test_an_address_that_is_not_this_machines_is_named(host: str) -> None:
    with pytest.raises(NotListening) as refused:
        listen(host, 0)
    assert refused.value.where == f"{host}:0"


def test_without_an_engine_the_reconciler_says_what_to_do(installation: Installation) -> None:
    installation.run("db", "upgrade")
    for parts in (("reconciler",), ()):
        refused = installation.run("serve", *parts, PULUMI_BACKEND_URL="", PULUMI_HOME="")
        assert refused.returncode == 1
        assert refused.stderr.startswith("error[serve.no_engine]")
        assert "Warning" not in refused.stderr
