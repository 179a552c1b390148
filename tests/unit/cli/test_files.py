"""Whatever `-f` names: every mistake of every file is told, and only what was named is read."""

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
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "state"))
    place = tmp_path / "a folder"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def errors_of(*paths: str) -> list[tuple[str, str | None]]:
    with pytest.raises(Fault) as raised:
        files.read(list(paths))
    return [(each.code.name, each.where) for each in raised.value.violations]


@pytest.mark.parametrize(
    "content",
    [ACME, ACME.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + ACME, b"---\n" + ACME + b"---\n"],
)
def test_line_ends_and_marks_of_editors_do_not_matter(folder: Path, content: bytes) -> None:
    (folder / "acme.yaml").write_bytes(content)
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
def test_what_cannot_be_a_document_is_told_so(folder: Path, content: bytes, code: str) -> None:
    (folder / "x.yaml").write_bytes(content)
    (folder / "y.yaml").write_bytes(ACME.replace(b"plan:", b"plam:"))
    told = errors_of(".")
    assert told[0][0] == code
    assert {found for found, _ in told[1:]} == {"document.unknown_key", "document.missing_key"}


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert errors_of("/dev/zero") == [("file.unreadable", "/dev/zero")]


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_does_not_stand_for_the_folder_we_are_in(folder: Path, name: str) -> None:
    (folder / "acme.yaml").write_bytes(ACME)
    assert errors_of(name) == [("file.unreadable", "-f")]


def test_folders_without_documents_and_missing_files_are_named(folder: Path) -> None:
    (folder / "empty.yaml").mkdir()
    told = errors_of("empty.yaml", "missing.yaml")
    assert told == [("file.unreadable", "empty.yaml"), ("file.unreadable", "missing.yaml")]


def test_standard_input_is_read_unless_it_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    given = Environment(stdin=io.TextIOWrapper(io.BytesIO(ACME)))
    assert run("render", "-f", "-", environment=given) == 0
    assert json.loads(capsys.readouterr().out)["tenant"] == "acme"
    assert run("render", "-f", "-", environment=Environment(stdin=None)) == 1
    assert "error[file.unreadable]" in capsys.readouterr().err
