"""Files of `-f`: every mistake in every file is reported, and only the named files are read."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from blueprint.faults import NO_TENANT
from blueprint.loading import MAX_BYTES
from cli import files
from cli.environment import Environment
from cli.faults import NOT_TEXT
from kit.faults import Fault
from kit.paths import checkout
from tests.support.command_line import run
from tests.support.faults import assert_shows

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
    [
        ACME,
        ACME.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + ACME,
        b"---\n" + ACME + b"---\n",
        ACME.decode().encode("utf-16"),
        b"\xfe\xff" + ACME.decode().encode("utf-16-be"),
        ACME.decode().encode("utf-32"),
        ACME.decode().encode("utf-16-le"),
        ACME.decode().encode("utf-16-be"),
    ],
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
        (b"a: b\n# caf\xe9", "file.not_text"),
        (bytes(range(256)), "file.not_text"),
        (ACME.decode().encode("utf-16")[:-1], "file.not_text"),
        (b"a: b\n" * MAX_BYTES, "file.unreadable"),
        (ACME.replace(b"\n  plan", b"\n\tplan"), "document.syntax"),
        (b"apiVersion: v1\nkind: ConfigMap\n", "document.no_tenant"),
        (b"apiVersion: penguinmails.dev/v1\nkind: Blueprint\n", "document.no_tenant"),
        (b"apiVersion: v1\nkind: List\nitems: [{kind: Secret}]\n", "document.no_tenant"),
        (b"just a text", "document.invalid_value"),
        (b"[]", "document.empty"),
        (b"apiVersion: v1\nkind: List\nitems: []\n", "document.empty"),
    ],
)
def test_named_file_that_is_no_document_is_refused_beside_the_others(
    directory: Path, content: bytes, code: str
) -> None:
    (directory / "x.yaml").write_bytes(content)
    (directory / "y.yaml").write_bytes(ACME.replace(b"plan:", b"plam:"))
    errors = errors_of("x.yaml", "y.yaml")
    assert errors[0][0] == code
    assert {name for name, _ in errors[1:]} == {"document.unknown_key", "document.missing_key"}


def test_file_in_another_encoding_names_its_line(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "x.yaml").write_bytes(b"caf\xe9: x\n")
    assert run("render", "-f", "x.yaml") == 1
    assert_shows(capsys.readouterr().err, NOT_TEXT)


def test_document_of_another_kind_is_named_where_its_file_is(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "x.yaml").write_text("---\napiVersion: v1\nkind: ConfigMap\n")
    assert run("render", "-f", "x.yaml") == 1
    output = capsys.readouterr().err
    assert_shows(output, NO_TENANT)
    assert "at: x.yaml:2:1" in output


FOREIGN: dict[str, str | bytes] = {
    "README.md": "# Tenants",
    ".github/workflows/ci.yml": "on: push",
    ".git/config.yaml": ACME.decode(),
    ".acme.yaml.swp.yaml": "\0",
    "notes.txt": "apiVersion: penguinmails.dev/v1",
    "kustomization.yaml": "resources: [acme.yaml]",
    "values.yaml": "replicas: 1",
    "templates/x.yaml": "name: {{ .Values.name }}\n{{- end }}",
    "chart/Chart.yaml": "apiVersion: v2\nname: mail\nversion: 1.0.0",
    "chart/templates/acme.yaml": "apiVersion: penguinmails.dev/v1\nkind: {{ .Values.kind }}",
    "secret.enc.yaml": "apiVersion: v1\nkind: Secret\ndata: {a: ENC[x]}\nsops: {version: 3.9}",
    "tenant.schema.json": '{"title": "Tenant", "$defs": {}}',
    "package.json": '{"name": "x"}',
    "tsconfig.json": "{ // no JSON\n}",
    "list.json": "[1, 2]",
    "app.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: Application",
    "capsule.yaml": "apiVersion: capsule.clastix.io/v1beta2\nkind: Tenant",
    "rendered.yaml": "apiVersion: penguinmails.dev/v1\nkind: Blueprint",
    "crds.yaml": "a: b\n" * MAX_BYTES,
    "latin.yml": b"caf\xe9",
    "empty.yaml": "# nothing\n---\n---\n",
}


def test_directory_is_read_as_a_gitops_repository(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in FOREIGN.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    nested = directory / "clusters" / "eu" / "tenants"
    nested.mkdir(parents=True)
    (nested / "acme.yml").write_bytes(ACME)
    others = b"apiVersion: v1\nkind: Namespace\n---\n" + ACME.replace(b"acme", b"other")
    (directory / "mixed.YAML").write_bytes(others)
    (nested / "loop").symlink_to(directory)
    os.mkfifo(nested / "pipe.yaml")
    (nested / "itself.yaml").symlink_to("itself.yaml")
    (nested / "same.yaml").symlink_to("acme.yml")
    assert run("apply", "-f", ".") == 1  # the link to itself cannot be read, and is named
    assert "clusters/eu/tenants/itself.yaml" in capsys.readouterr().err
    (nested / "itself.yaml").unlink()
    sources = files.read([".", "mixed.YAML"])
    assert [source.name for source in sources] == ["acme", "other"]
    named = capsys.readouterr().err.splitlines()
    silent = [name for name in FOREIGN if name.startswith(".") or name.endswith((".md", ".txt"))]
    listed = {line.removeprefix("left out: ").partition(" (")[0] for line in named}
    chart = {name for name in FOREIGN if name.startswith("chart/")}
    assert listed == {
        *FOREIGN.keys() - set(silent) - chart,
        "chart",
        "mixed.YAML",
        *(f"clusters/eu/tenants/{name}" for name in ("loop", "pipe.yaml")),
    }
    assert len(named) == len(listed)


@pytest.mark.parametrize(
    "change",
    [
        (b"apiVersion: penguinmails.dev/v1\n", b""),
        (b"kind: Tenant\n", b""),
        (b"kind: Tenant", b"kind: Tennant"),
        (b"kind: Tenant", b"kind: tenant"),
        (b"penguinmails.dev/v1", b"penguinmail.dev/v1"),
        (b"penguinmails.dev/v1", b"penguinmails.dev/v2"),
        (b"penguinmails.dev/v1", b"v1"),
        (b"  plan: business", b"  plan: business: x"),
        (b"kind: Tenant", b"kind: Tenant # caf\xe9"),
    ],
)
def test_tenant_with_a_mistake_is_not_left_out_of_a_directory(
    directory: Path, change: tuple[bytes, bytes]
) -> None:
    assert change[0] in ACME
    (directory / "acme.yaml").write_bytes(ACME.replace(*change, 1))
    (directory / "other.yaml").write_bytes(ACME.replace(b"acme", b"other"))
    assert [code for code, where in errors_of(".") if "acme.yaml" in str(where)]


def test_address_of_the_web_names_the_command_that_reads_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("render", "-f", "https://files.example/acme.yaml") == 1
    assert "curl https://files.example/acme.yaml | penguin apply -f -" in capsys.readouterr().err


def test_file_that_is_called_as_standard_input_is_in_messages_is_read(directory: Path) -> None:
    (directory / "standard input").write_bytes(ACME)
    (source,) = files.read(["standard input"])
    assert (source.name, source.file) == ("acme", "standard input")


def test_foreign_file_of_a_directory_is_not_parsed(directory: Path) -> None:
    crds = b"apiVersion: apiextensions.k8s.io/v1\n" + b"- a: {b: [c]}\n" * 60_000
    (directory / "crds.yaml").write_bytes(crds)
    (directory / "acme.yaml").write_bytes(ACME)
    (source,) = files.read(["."])
    assert source.name == "acme"


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
