"""Layers are named by what they are made of, and a half-built one is never used."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import layers
from lab.layers import Layers
from lab.place import LabError


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Stand in for the bootstrap; return what was built."""
    sources = tmp_path / "debian.sources"
    sources.write_text("deb somewhere")
    monkeypatch.setattr(layers, "SOURCES", (sources,))
    places: list[Path] = []

    def build(self: Layers, place: Path) -> None:
        places.append(place)
        (place / "root").mkdir()

    monkeypatch.setattr(Layers, "_build_base", build)
    return places


def test_the_same_layer_is_built_once(built: list[Path], tmp_path: Path) -> None:
    said: list[str] = []
    first = Layers(tmp_path, said.append).base()
    assert Layers(tmp_path, said.append).base() == first
    assert first.is_dir()
    assert len(built) == len(said) == 1


def test_other_sources_make_another_layer(
    built: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = Layers(tmp_path, print).base()
    layers.SOURCES[0].write_text("deb elsewhere")
    assert Layers(tmp_path, print).base() != first
    assert first.is_dir()


def test_what_a_killed_build_left_is_not_taken(built: list[Path], tmp_path: Path) -> None:
    finished = Layers(tmp_path, print).base().parent
    half = finished.with_name(f".{finished.name}")
    finished.rename(half)
    (half / "root/torn").touch()
    assert not (Layers(tmp_path, print).base() / "torn").exists()


def test_a_machine_without_sources_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(layers, "SOURCES", (tmp_path / "none",))
    with pytest.raises(LabError) as missing:
        Layers(tmp_path, print).base()
    assert missing.value.code == "lab.no_sources"
