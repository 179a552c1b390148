"""Layers are named by what they are made of, and a half-built one is never used."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.faults import Fault
from lab import layers
from lab.faults import MACHINE_LACKS
from lab.layers import Layers
from tests.support.faults import assert_shows, printed

DEB822 = """# Debian's own
Types: deb
URIs: http://packages.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Stand in for the bootstrap; return what was built."""
    sources = tmp_path / "debian.sources"
    sources.write_text(DEB822)
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
    layers.SOURCES[0].write_text(DEB822.replace("packages.example", "mirror.example"))
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
    what = f"package sources of Debian bookworm, as in {tmp_path / 'none'}"
    assert_shows(printed(Layers(tmp_path, print).base), MACHINE_LACKS, what=what)


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine's apt settings, empty."""
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    places = (parts / "debian.sources", tmp_path / "sources.list")
    monkeypatch.setattr(layers, "SOURCES", places)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list.d/debian.sources", DEB822),
        ("sources.list", "# old format\ndeb http://packages.example/d bookworm main contrib\n"),
        ("sources.list", "deb [signed-by=/etc/k.gpg] http://mirror.example/d bookworm main\n"),
        ("sources.list.d/mirror.list", "deb http://mirror.example/debian bookworm main\n"),
        ("sources.list.d/cloud.sources", DEB822.replace("http://deb", "mirror+file:/etc/deb")),
    ],
)
def test_sources_are_found_in_either_format_and_under_any_name(
    apt: Path, name: str, text: str
) -> None:
    (apt / "sources.list.d/docker.list").write_text("deb http://d.example bookworm stable\n")
    (apt / "sources.list.d/database.list").write_text("deb http://p.example bookworm-pgdg main\n")
    (apt / name).write_text(text)
    assert layers.sources_file() == apt / name


@pytest.mark.parametrize(
    "text",
    [
        "# See /etc/apt/sources.list.d/debian.sources\n",
        "#deb http://packages.example/debian bookworm main\n",
        "deb http://packages.example/debian trixie main\n",
    ],
)
def test_sources_that_offer_another_debian_or_nothing_are_not_taken(apt: Path, text: str) -> None:
    (apt / "sources.list").write_text(text)
    with pytest.raises(Fault, match="bookworm"):
        layers.sources_file()
