"""Faults of the client itself, as the command line prints them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cli import faults
from kit.paths import checkout
from tests.support.command_line import run
from tests.support.faults import assert_shows, printed

Penguin = Callable[..., str]
ACME = (checkout() / "tenants" / "acme.yaml").read_text()


@pytest.fixture
def penguin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Penguin:
    """Run a command that fails, in an empty state directory; return its error output."""
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PENGUIN_API_KEY", "key")
    monkeypatch.delenv("PENGUIN_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)

    def penguin_errors(*arguments: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert run(*arguments) == 1
        return capsys.readouterr().err

    return penguin_errors


@pytest.fixture
def web_page() -> Iterator[str]:
    """A web server that is no control plane; yields its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_get_of_an_unknown_kind_is_refused(penguin: Penguin) -> None:
    assert_shows(
        penguin("get", "servers"),
        faults.USAGE,
        mistake="servers is not a kind of resource",
        remedy=...,
    )


def test_client_without_a_key_says_where_to_get_one(
    penguin: Penguin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENGUIN_API_KEY")
    assert_shows(penguin("get", "hosts"), faults.CONTEXT_MISSING)


def test_client_with_a_key_and_no_control_plane_says_so(penguin: Penguin) -> None:
    reason = "none runs on this machine, and no address is configured"
    assert_shows(penguin("get", "hosts"), faults.UNREACHABLE, reason=reason)


def test_client_with_a_wrong_address_names_it(penguin: Penguin) -> None:
    output = penguin("get", "hosts", PENGUIN_API_URL="example")
    assert_shows(output, faults.CONTEXT_INVALID)


def test_client_with_a_damaged_key_does_not_send_it(penguin: Penguin) -> None:
    output = penguin("get", "hosts", PENGUIN_API_URL="http://127.0.0.1:9", PENGUIN_API_KEY="a\nb")
    remedy = "copy it again, without quotes and line breaks"
    reason = "it contains characters that a key cannot have"
    values = {"part": "key", "reason": reason, "remedy": remedy}
    assert_shows(output, faults.CONTEXT_INVALID, **values)


def test_client_whose_control_plane_is_silent_says_so(penguin: Penguin) -> None:
    output = penguin("get", "hosts", PENGUIN_API_URL="http://127.0.0.1:9")
    assert_shows(output, faults.UNREACHABLE, reason=...)


def test_client_at_a_web_page_says_that_it_is_no_control_plane(
    penguin: Penguin, web_page: str
) -> None:
    output = penguin("get", "hosts", PENGUIN_API_URL=web_page)
    assert_shows(output, faults.FOREIGN_ANSWER, status=200)


def test_apply_of_a_missing_file_is_refused(penguin: Penguin) -> None:
    assert_shows(penguin("apply", "-f", "missing.yaml"), faults.UNREADABLE)


def test_apply_of_an_empty_folder_is_refused(penguin: Penguin, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    reason = "no .yaml, .yml or .json file below it holds a tenant"
    assert_shows(penguin("apply", "-f", "empty"), faults.UNREADABLE, reason=reason)


def test_apply_of_one_tenant_in_two_files_is_refused(penguin: Penguin, tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(ACME)
    output = penguin("apply", "-f", "a.yaml", "-f", "b.yaml")
    assert_shows(output, faults.REPEATED, name="acme", first="a.yaml")


def test_apply_with_a_broken_platform_names_the_setting(penguin: Penguin, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ACME)
    output = penguin("apply", "-f", "a.yaml", PENGUIN_PLATFORM__ZONE="Not A Zone")
    assert_shows(output, faults.SETTINGS_INVALID, reasons=...)
    assert "PENGUIN_PLATFORM__ZONE: " in output


def test_render_into_a_missing_folder_is_refused(penguin: Penguin, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ACME)
    output = penguin("render", "-f", "a.yaml", "--to", "missing/b.json")
    assert_shows(output, faults.UNWRITABLE, reason="No such file or directory")


def test_defect_is_shown_without_a_traceback() -> None:
    def fail() -> None:
        raise KeyError("surprise")

    assert_shows(printed(fail), faults.INTERNAL, remedy=...)
