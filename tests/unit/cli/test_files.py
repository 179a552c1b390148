"""Files of `-f`: every mistake in every file is reported, and only the named files are read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from blueprint.loading import MAX_BYTES
from cli import files
from cli.environment import Environment
from kit.faults import Fault
from kit.paths import checkout
from tests.support.command_line import run

ACME = (checkout() / "tenants" / "acme.yaml").read_bytes()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "a directory"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def errors_of(*paths: str) -> list[tuple[str, str | None]]:
    with pytest.raises(Fault) as raised:
        files.read(list(paths))
    return [(violation.code.name, violation.where) for violation in raised.value.violations]


@pytest.mark.parametrize(
    "content",
    [ACME, ACME.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + ACME, b"---\n" + ACME + b"---\n"],
)
def test_file_with_other_line_ends_or_a_byte_order_mark_is_read(
    directory: Path, content: bytes
) -> None:
    (directory / "acme.yaml").write_bytes(content)
    (source,) = files.read(["acme.yaml"])
    assert source.name == "acme"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "document.empty"),
        (b"caf\xe9", "file.unreadable"),
        (bytes(range(256)), "file.unreadable"),
        (ACME.decode().encode("utf-16"), "file.unreadable"),
        (b"a: b\n" * MAX_BYTES, "file.unreadable"),
        (ACME.replace(b"\n  plan", b"\n\tplan"), "document.syntax"),
    ],
)
def test_file_that_is_no_document_is_refused_beside_the_others(
    directory: Path, content: bytes, code: str
) -> None:
    (directory / "x.yaml").write_bytes(content)
    (directory / "y.yaml").write_bytes(ACME.replace(b"plan:", b"plam:"))
    errors = errors_of(".")
    assert errors[0][0] == code
    assert {name for name, _ in errors[1:]} == {"document.unknown_key", "document.missing_key"}


def test_endless_file_is_refused_as_too_large() -> None:
    assert errors_of("/dev/zero") == [("file.unreadable", "/dev/zero")]


@pytest.mark.parametrize("name", ["", " "])
def test_empty_file_name_is_refused(directory: Path, name: str) -> None:
    (directory / "acme.yaml").write_bytes(ACME)
    assert errors_of(name) == [("file.unreadable", "-f")]


def test_directory_without_documents_and_missing_file_are_both_refused(directory: Path) -> None:
    (directory / "empty.yaml").mkdir()
    errors = errors_of("empty.yaml", "missing.yaml")
    assert errors == [("file.unreadable", "empty.yaml"), ("file.unreadable", "missing.yaml")]


def test_standard_input_is_read_unless_it_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    environment = Environment(stdin=io.TextIOWrapper(io.BytesIO(ACME)))
    assert run("render", "-f", "-", environment=environment) == 0
    assert json.loads(capsys.readouterr().out)["tenant"] == "acme"
    assert run("render", "-f", "-", environment=Environment(stdin=None)) == 1
    assert "error[file.unreadable]" in capsys.readouterr().err
