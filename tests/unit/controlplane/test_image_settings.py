"""The authority of a registry, as hosts get it."""

from __future__ import annotations

from pathlib import Path

from controlplane.images import faults
from controlplane.images.settings import ImageSettings
from tests.support.faults import fault_shown


def test_hosts_trust_public_authorities_unless_another_is_named() -> None:
    assert ImageSettings().authorities() == {}
    assert ImageSettings.model_validate({"ca_file": ""}).authorities() == {}


def test_hosts_trust_the_named_authority_for_the_registries_that_they_pull_from(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("CERTIFICATE")
    settings = ImageSettings(registry="https://mirror.example", ca_file=file)
    assert settings.authorities() == {"ghcr.io": "CERTIFICATE", "public.ecr.aws": "CERTIFICATE"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    with fault_shown(faults.UNTRUSTED, reason=...) as caught:
        ImageSettings(ca_file=file).authorities()
    assert str(file) in str(caught.value)
