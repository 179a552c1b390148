"""Requests of the program before it declares resources: failures have codes and hide secrets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pulumi
import pytest

from blueprint.platform import OFFLINE
from kit.faults import Code, Fault
from stacks.faults import (
    BAD_BLUEPRINT,
    CLOUDFLARE_ERROR,
    CLOUDFLARE_GONE,
    CLOUDFLARE_RATE_LIMITED,
    CLOUDFLARE_UNAUTHORIZED,
    CLOUDFLARE_UNREACHABLE,
    CONFIGURED_PROVIDER,
    CONTROL_PLANE_REFUSED,
    CONTROL_PLANE_UNREACHABLE,
    NO_INSTALLATION,
    NO_SOURCE,
    RECORD_QUOTA,
    RECORD_REFUSED,
    STATE_UNREACHABLE,
    WRONG_TENANT,
    ZONE_AMBIGUOUS,
    ZONE_NOT_FOUND,
    ZONE_NOT_FULL,
)
from stacks.program import declare, run
from stacks.source import PROJECT, blueprint_of, refuse_configured_provider
from stacks.state import StackState
from stacks.zones import create_record, find_zone, list_records
from tests.support.faults import any_values, assert_shows, fault_shown
from tests.support.installation import PLATFORM
from tests.support.tenants import rendered, tenant

SECRET = "s3cret-that-nobody-may-see"
Answering = Callable[..., str]


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("PENGUIN_API_URL", raising=False)


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Start a server that sends these responses, the last one repeatedly; return its address."""
    listeners = []

    def start(*answers: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with suppress(OSError):
                for answer in chain(answers, repeat(answers[-1])):
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
NO_HTTP = b"220 mx.example ESMTP\r\n"


class Config:
    """Stands for Pulumi's configuration of a stack."""

    def __init__(self, **values: str) -> None:
        self._values = {key.replace("_", "-"): value for key, value in values.items()}

    def get(self, key: str) -> str | None:
        return self._values.get(key)

    get_secret = get


def shown_by_hand(**values: str) -> str:
    """Return what `pulumi up` shows of a source that gives no blueprint."""
    config: Any = Config(**values)
    with pytest.raises(pulumi.RunError) as caught:
        run(lambda: declare(blueprint_of(config, "acme")))
    return str(caught.value)


def answered(status: str, document: object = None, headers: str = "") -> bytes:
    """Return an answer of Cloudflare."""
    body = b"" if document is None else json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def refused(status: str, code: int) -> bytes:
    """Return a refusal with a code."""
    return answered(status, {"success": False, "errors": [{"code": code}], "result": None})


def page(*entries: object, pages: int = 1, success: object = True) -> bytes:
    """Return a page of a list."""
    info = {"page": 1, "total_pages": pages}
    return answered("200 OK", {"success": success, "result": list(entries), "result_info": info})


ZONE = {"id": "z1", "name": "acme.example", "type": "full"}
PENDING = {**ZONE, "status": "pending"}
OTHER_HOST = "Location: http://127.0.0.1:9/\r\n"


@pytest.mark.parametrize(
    ("answer", "code", "values"),
    [
        (CUT_OFF, CLOUDFLARE_UNREACHABLE, {"url": ..., "reason": ...}),
        (NO_HTTP, CLOUDFLARE_UNREACHABLE, {"url": ..., "reason": ...}),
        (answered("200 OK", []), CLOUDFLARE_ERROR, {"answer": "HTTP 200", "path": ...}),
        (page(success=False), CLOUDFLARE_ERROR, {"answer": "HTTP 200", "path": ...}),
        (page(success="true"), CLOUDFLARE_ERROR, {"answer": "HTTP 200", "path": ...}),
        (page("z1"), CLOUDFLARE_ERROR, {"answer": "no list", "path": ...}),
        (page({"id": "z1"}), CLOUDFLARE_ERROR, {"answer": "no list", "path": ...}),
        (page({**ZONE, "type": None}), CLOUDFLARE_ERROR, {"answer": "no list", "path": ...}),
        (
            answered("200 OK", {"success": True, "result": []}),
            CLOUDFLARE_ERROR,
            {"answer": "no list", "path": ...},
        ),
        (refused("200 OK", 10000), CLOUDFLARE_ERROR, {"answer": "HTTP 200 10000", "path": ...}),
        (refused("500 Oops", 10000), CLOUDFLARE_ERROR, {"answer": "HTTP 500 10000", "path": ...}),
        (refused("400 Bad", 6003), CLOUDFLARE_UNAUTHORIZED, {"status": 400, "path": ...}),
        (refused("400 Bad", 7003), CLOUDFLARE_ERROR, {"answer": "HTTP 400 7003", "path": ...}),
        (
            answered("302 Found", headers=OTHER_HOST),
            CLOUDFLARE_ERROR,
            {"answer": "HTTP 302", "path": ...},
        ),
        (answered("500 Oops"), CLOUDFLARE_ERROR, {"answer": "HTTP 500", "path": ...}),
        (answered("403 Forbidden"), CLOUDFLARE_UNAUTHORIZED, {"status": 403, "path": ...}),
        (answered("429 Too Many"), CLOUDFLARE_RATE_LIMITED, {}),
        (refused("404 Not Found", 1001), CLOUDFLARE_GONE, {"path": ...}),
        (page(), ZONE_NOT_FOUND, {"zone": "acme.example"}),
        (page({**ZONE, "name": "www.acme.example"}), ZONE_NOT_FOUND, {"zone": "acme.example"}),
    ],
)
def test_unexpected_answer_of_cloudflare_is_not_an_empty_list(
    answering: Answering,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    code: Code,
    values: dict[str, Any],
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", SECRET)
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(answer))
    with fault_shown(code, **values):
        find_zone("acme.example")
    if code is not ZONE_NOT_FOUND:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(answer))
        with fault_shown(code, **values):
            list_records("z1")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refused("400 Bad", 9021), RECORD_REFUSED),
        (refused("200 OK", 81045), RECORD_QUOTA),
        (refused("403 Forbidden", 10000), CLOUDFLARE_UNAUTHORIZED),
        (answered("200 OK", {"success": True, "result": {}}), CLOUDFLARE_ERROR),
    ],
)
def test_record_that_the_zone_does_not_list_was_refused(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, answer: bytes, code: Code
) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(answer, page()))
    with fault_shown(code, **any_values(code)):
        create_record("z1", {"comment": "ours", "type": "TXT"})


def test_zone_that_cloudflare_does_not_serve_is_not_written(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("partial", "secondary"):
        other = page({**ZONE, "type": kind, "status": "active"})
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(other))
        with fault_shown(ZONE_NOT_FULL, zone="acme.example", type=kind):
            find_zone("acme.example")
    around = page({**ZONE, "name": "acme.example"})
    monkeypatch.setenv(
        "CLOUDFLARE_BASE_URL",
        answering(page({**ZONE, "name": "go.acme.example", "type": "partial"}), around),
    )
    assert find_zone("go.acme.example").name == "acme.example"


def test_zone_of_two_accounts_that_none_serves_is_not_guessed(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(page(PENDING, PENDING)))
    with fault_shown(ZONE_AMBIGUOUS, zone="acme.example", count=2):
        find_zone("acme.example")


def test_look_up_that_failed_once_is_tried_again(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    for failure in (answered("500 Oops"), CUT_OFF):
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(failure, page(ZONE)))
        assert find_zone("acme.example").id == "z1"


def test_list_ends_with_its_last_page_whatever_their_size(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a.example", "b.example", "c.example")
    pages = [page({**ZONE, "name": name}, pages=3) for name in names]
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(*pages))
    assert [record["name"] for record in list_records("z1")] == list(names)


def test_zone_of_an_idn_is_found_by_its_name_in_unicode(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = page({**ZONE, "name": "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"})
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", answering(found))
    assert find_zone("xn--bcher-kva.example").id == "z1"


def test_state_that_cannot_be_read_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = "postgres://127.0.0.1:9/none"
    for url in ("", "s3://bucket", unreachable, f"{unreachable}?no_such_option=1"):
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
        with fault_shown(STATE_UNREACHABLE, reason=...):
            StackState.of("acme")


def test_stack_without_a_source_is_shown() -> None:
    assert_shows(shown_by_hand(), NO_SOURCE)


@pytest.mark.parametrize("key", ["baseUrl", "apiToken", "apiKey", "email"])
def test_provider_that_the_stack_configures_is_refused(key: str) -> None:
    config: Any = Config(**{key: "x"})
    refuse_configured_provider(Config(account="x"))  # type: ignore[arg-type]  # stands for Pulumi's
    with fault_shown(CONFIGURED_PROVIDER, key=f"cloudflare:{key}"):
        refuse_configured_provider(config)


def test_blueprint_of_another_tenant_is_shown(tmp_path: Path) -> None:
    other = rendered(tenant("mx1@acme.example", domains="acme.example"))
    file = tmp_path / "globex.json"
    document = other.model_copy(update={"tenant": "globex"})
    file.write_text(document.model_dump_json(by_alias=True))
    assert_shows(shown_by_hand(blueprint=str(file)), WRONG_TENANT)


def test_blueprint_rendered_without_an_installation_is_refused(tmp_path: Path) -> None:
    platform = PLATFORM.model_copy(update={"installation": OFFLINE})
    file = tmp_path / "acme.json"
    text = tenant("mx1@acme.example", domains="acme.example")
    file.write_text(rendered(text, platform=platform).model_dump_json(by_alias=True))
    assert_shows(shown_by_hand(blueprint=str(file)), NO_INSTALLATION, source=file)


def test_refusal_of_the_control_plane_is_shown_with_its_code_and_remedy(
    answering: Answering,
) -> None:
    body = b'{"code": "auth.invalid_key", "detail": "the key is not known", "remedy": "roll it"}'
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body)
    shown = shown_by_hand(control_plane=answering(head + body))
    detail = "the key is not known (auth.invalid_key)"
    assert_shows(shown, CONTROL_PLANE_REFUSED, detail=detail, remedy="roll it")


@pytest.mark.parametrize("answer", [CUT_OFF, NO_HTTP])
def test_interrupted_answer_of_the_control_plane_is_shown(
    answering: Answering, answer: bytes
) -> None:
    shown = shown_by_hand(control_plane=answering(answer))
    assert_shows(shown, CONTROL_PLANE_UNREACHABLE, url=..., reason=...)


@pytest.mark.parametrize("url", ["localhost:8080", "nonsense", "http://[bad", "http://127.0.0.1:9"])
def test_control_plane_url_that_is_invalid_is_shown(url: str) -> None:
    shown = shown_by_hand(control_plane=url)
    assert_shows(shown, CONTROL_PLANE_UNREACHABLE, url=url, reason=...)


def test_secret_that_is_invalid_in_a_header_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", f"{SECRET}\nx")
    monkeypatch.setenv("PENGUIN_API_KEY", f"{SECRET}\nx")
    with pytest.raises(Fault) as caught:
        list_records("z1")
    assert SECRET not in caught.value.sentence
    assert SECRET not in shown_by_hand(control_plane="http://127.0.0.1:9")


def test_relative_path_begins_at_the_project(tmp_path: Path) -> None:
    missing = PROJECT / "no-such.json"
    shown = shown_by_hand(blueprint="no-such.json")
    assert_shows(shown, BAD_BLUEPRINT, source=missing, reason="No such file or directory")
    assert (PROJECT / "Pulumi.yaml").exists()
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe")
    shown = shown_by_hand(blueprint=str(binary))
    assert_shows(shown, BAD_BLUEPRINT, source=binary, reason="it is not text")
