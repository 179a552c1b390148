"""`penguin schema` prints the published file."""

from __future__ import annotations

import pytest

from kit.paths import checkout
from tests.support.command_line import run


def test_schema_of_a_tenant_is_the_published_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("schema", "tenant") == 0
    assert (
        capsys.readouterr().out
        == (checkout() / "docs" / "reference" / "tenant.schema.json").read_text()
    )


def test_example_names_the_schema_for_editors() -> None:
    example = checkout() / "tenants" / "acme.yaml"
    first = example.read_text().splitlines()[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert (example.parent / path).resolve() == (
        checkout() / "docs" / "reference" / "tenant.schema.json"
    )
