"""The installation id that `penguin init` creates."""

from __future__ import annotations

from blueprint.platform import Platform
from composition.init import new_installation


def test_installation_ids_differ_and_fit_every_name() -> None:
    ids = {new_installation() for _ in range(50)}
    assert len(ids) == 50
    for installation in ids:
        assert Platform(installation=installation, zone="a.example").installation == installation
