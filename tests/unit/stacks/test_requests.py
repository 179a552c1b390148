"""What the program asks for before it declares anything: failures are typed and show no secret."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.faults import Code, Fault, line
from stacks.faults import (
    BAD_BLUEPRINT,
    CLOUDFLARE_ERROR,
    CLOUDFLARE_UNREACHABLE,
    CONTROL_PLANE_REFUSED,
    CONTROL_PLANE_UNREACHABLE,
)
from stacks.source import PROJECT, blueprint_of
from stacks.zones import find_zone, list_records
from tests.support.faults import assert_shows

SECRET = "s3cret-that-nobody-may-see"
Answering = Callable[[bytes], str]


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("PENGUIN_API_URL", raising=False)


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Give the address of a server that answers its one request with these bytes."""
    listeners = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()


CUT_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
ODD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
REFUSED_BODY = b'{"success": false, "result": []}'
REFUSED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(REFUSED_BODY) + REFUSED_BODY
NO_HTTP = b"220 mx.example ESMTP\r\n"


class Config:
    """Stands for Pulumi's configuration of a stack."""

    def __init__(self, **values: str) -> None:
        self._values = {key.replace("_", "-"): value for key, value in values.items()}

    def get(self, key: str) -> str | None:
        return self._values.get(key)


def blueprint_from(**values: str) -> Fault:
    config: Any = Config(**values)
    with pytest.raises(Fault) as caught:
        blueprint_of(config, "acme")
    return caught.value


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (CUT_OFF, CLOUDFLARE_UNREACHABLE),
        (NO_HTTP, CLOUDFLARE_UNREACHABLE),
        (ODD, CLOUDFLARE_ERROR),
        (REFUSED, CLOUDFLARE_ERROR),
    ],
)
def test_an_odd_answer_of_cloudflare_is_no_empty_list(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, answer: bytes, code: Code
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", SECRET)
    for ask in (lambda: list_records("z1"), lambda: find_zone("acme.example")):
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(answer))
        with pytest.raises(Fault) as caught:
            ask()
        assert caught.value.code is code


def test_a_refusal_of_the_control_plane_is_shown_with_its_code_and_remedy(
    answering: Answering,
) -> None:
    body = b'{"code": "auth.invalid_key", "detail": "the key is not known", "remedy": "roll it"}'
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body)
    error = blueprint_from(control_plane=answering(head + body))
    values = {"detail": "the key is not known (auth.invalid_key)", "remedy": "roll it"}
    assert_shows(line(error), CONTROL_PLANE_REFUSED, **values)


@pytest.mark.parametrize("answer", [CUT_OFF, NO_HTTP])
def test_a_control_plane_that_breaks_off_is_told(answering: Answering, answer: bytes) -> None:
    assert blueprint_from(control_plane=answering(answer)).code is CONTROL_PLANE_UNREACHABLE


@pytest.mark.parametrize("url", ["localhost:8080", "nonsense", "http://[bad", "http://127.0.0.1:9"])
def test_a_control_plane_that_is_no_address_is_told(url: str) -> None:
    error = blueprint_from(control_plane=url)
    assert error.code is CONTROL_PLANE_UNREACHABLE
    assert url in str(error)


def test_a_secret_that_fits_in_no_header_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", f"{SECRET}\nx")
    monkeypatch.setenv("PENGUIN_API_KEY", f"{SECRET}\nx")
    with pytest.raises(Fault) as caught:
        list_records("z1")
    assert SECRET not in str(caught.value)
    assert SECRET not in str(blueprint_from(control_plane="http://127.0.0.1:9"))


def test_a_relative_path_begins_where_the_project_is(tmp_path: Path) -> None:
    error = blueprint_from(blueprint="no-such.json")
    assert error.code is BAD_BLUEPRINT
    assert str(PROJECT / "no-such.json") in str(error)
    assert (PROJECT / "Pulumi.yaml").exists()
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    assert "no text" in str(blueprint_from(blueprint=str(tmp_path / "binary.json")))
