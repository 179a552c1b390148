"""`penguin schema` prints what is published."""

from __future__ import annotations

import pytest

from cli.main import main
from kit.paths import checkout


def test_schema_of_a_tenant_is_the_published_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["penguin", "schema", "tenant"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
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
