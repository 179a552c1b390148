"""`penguin init`, `db upgrade` and `serve` as an operator runs them."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from cli.faults import SETTINGS_INVALID
from composition.faults import (
    DATABASE_NOT_UPGRADED,
    INIT_EXISTS,
    LIMIT_NOT_READ,
    NO_ENGINE,
    NOT_LISTENING,
    PORT_TAKEN,
    SETTINGS_MISSING,
)
from composition.listening import listen
from controlplane.faults import DATABASE_UNAVAILABLE
from tests.support import plain_http
from tests.support.faults import assert_shows, printed
from tests.support.waiting import SECONDS

from .conftest import Installation


def test_init_run_twice_makes_private_files_once(installation: Installation) -> None:
    for name in ("settings.env", "master.keys", "context.json"):
        assert (installation.directory / name).stat().st_mode & 0o777 == 0o600, name
    before = (installation.directory / "settings.env").read_text()
    assert "PENGUIN_PLATFORM__INSTALLATION=" in before
    second = installation.run("init")
    assert second.returncode == 1
    assert_shows(second.stderr, INIT_EXISTS)
    assert (installation.directory / "settings.env").read_text() == before


def test_api_serves_the_first_operator_until_sigterm(
    installation: Installation,
) -> None:
    refused = installation.run("serve", "api")
    assert_shows(refused.stderr, DATABASE_NOT_UPGRADED, reason=...)
    installation.do("db", "upgrade")
    process = installation.start("serve", "api")
    try:
        assert process.stdout is not None
        assert "the API answers at" in process.stdout.readline()
        url = json.loads((installation.directory / "serve.json").read_text())["url"]
        key = json.loads((installation.directory / "context.json").read_text())["api_key"]
        answer = plain_http.get(f"{url}/api/v1/tenants", headers={"Authorization": f"Bearer {key}"})
        assert answer.json() == {"items": [], "next": None}
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert not (installation.directory / "serve.json").exists()
    log = (installation.directory / "log" / "control-plane.jsonl").read_text()
    assert json.loads(log.splitlines()[0])["event"] == "starting"
    assert key not in log


def test_api_started_second_leaves_the_address_of_the_first(installation: Installation) -> None:
    installation.do("db", "upgrade")
    serve_file = installation.directory / "serve.json"
    first = installation.start("serve", "api")
    try:
        assert first.stdout is not None
        first.stdout.readline()
        announced = serve_file.read_text()
        second = installation.start("serve", "api")
        assert second.stdout is not None
        second.stdout.readline()
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=SECONDS)
        assert serve_file.read_text() == announced
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=SECONDS)
    assert not serve_file.exists()


def test_database_that_does_not_answer_is_not_reported_as_old(installation: Installation) -> None:
    unreachable = installation.run(
        "serve", "api", PENGUIN_DATABASE__DSN="postgresql://nobody@127.0.0.1:9/penguin"
    )
    assert_shows(unreachable.stderr, DATABASE_UNAVAILABLE, reason=...)
    old = installation.run("serve", "api")
    assert "error[database.not_upgraded]" in old.stderr
    assert "`penguin db upgrade`" in old.stderr


def test_serve_before_init_is_refused(tmp_path: Path) -> None:
    refused = Installation(tmp_path, "postgresql://127.0.0.1:9/penguin").run("serve")
    assert_shows(refused.stderr, SETTINGS_MISSING)


def test_redis_url_of_another_scheme_is_refused_and_not_shown(
    installation: Installation,
) -> None:
    refused = installation.run("serve", "sender", PENGUIN_REDIS__URL="http://:hunter2@x")
    assert "error[settings.invalid]: PENGUIN_REDIS__URL: a Redis URL begins" in refused.stderr
    assert_shows(refused.stderr, SETTINGS_INVALID, reasons=...)
    assert "hunter2" not in refused.stderr


def test_port_in_use_is_named(installation: Installation) -> None:
    installation.do("db", "upgrade")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = installation.run("serve", "api", PENGUIN_API__PORT=port)
    assert refused.returncode == 1
    assert_shows(refused.stderr, PORT_TAKEN, port=port)
    assert f"at: 127.0.0.1:{port}" in refused.stderr
    assert "Traceback" not in refused.stderr
    log = (installation.directory / "log" / "control-plane.jsonl").read_text()
    assert json.loads(log.splitlines()[-1])["code"] == "serve.port_taken"


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.invalid", "not an address"])
def test_address_of_another_machine_is_named(host: str) -> None:
    output = printed(lambda: listen(host, 0))
    assert_shows(output, NOT_LISTENING, host=host, port=0, reason=...)
    assert f"at: {host}:0" in output


def test_reconciler_without_an_engine_is_refused(installation: Installation) -> None:
    installation.do("db", "upgrade")
    for parts in (("reconciler",), ()):
        refused = installation.run("serve", *parts, PULUMI_BACKEND_URL="", PULUMI_HOME="")
        assert refused.returncode == 1
        assert refused.stderr.startswith("error[serve.no_engine]")
        assert_shows(refused.stderr, NO_ENGINE)
        assert "Warning" not in refused.stderr


@pytest.mark.parametrize("variable", ["HOSTWINDS_MONTHLY_LIMIT", "HOSTWINDS_ORDERS_A_DAY"])
def test_reconciler_with_a_limit_of_an_earlier_version_is_refused(
    installation: Installation, variable: str
) -> None:
    installation.do("db", "upgrade")
    refused = installation.run("serve", "reconciler", **{variable: "5"})
    assert refused.returncode == 1
    assert refused.stderr.startswith("error[serve.limit_not_read]")
    assert_shows(refused.stderr, LIMIT_NOT_READ, variable=variable, option=...)
