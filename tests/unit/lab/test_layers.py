"""Layers are named by their inputs, and a partially built one is never used."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.faults import Fault
from lab.faults import MACHINE_LACKS
from lab.layers import Layers, sources_file
from tests.support.faults import assert_shows, printed

DEB822 = """# Debian's own
Types: deb
URIs: http://packages.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    file = tmp_path / "debian.sources"
    file.write_text(DEB822)
    return file


@pytest.fixture
def layers(tmp_path: Path, sources: Path) -> Layers:
    """Layers whose base is an empty directory."""
    return Layers(tmp_path, print, sources=[sources], build_base=build)


def build(directory: Path, suite: str, sources: Path) -> None:
    (directory / "root").mkdir()
    (directory / "root/built-of").write_text(f"{suite} {sources.read_text()}")


def test_layer_of_the_same_parts_is_built_once(tmp_path: Path, sources: Path) -> None:
    progress: list[str] = []
    first, second = (
        Layers(tmp_path, progress.append, sources=[sources], build_base=build) for _ in range(2)
    )
    assert first.base() == second.base()
    assert first.base().is_dir()
    assert len(progress) == 1


def test_layer_of_other_sources_is_another_one(layers: Layers, sources: Path) -> None:
    first = layers.base()
    sources.write_text(DEB822.replace("packages.example", "mirror.example"))
    assert layers.base() != first
    assert first.is_dir()


def test_host_is_built_from_the_machines_mirror_for_debian_13(
    layers: Layers, sources: Path
) -> None:
    machine, host = (DEB822, DEB822.replace("bookworm", "trixie"))
    assert (layers.base() / "built-of").read_text() == f"bookworm {machine}"
    assert (layers.host() / "built-of").read_text() == f"trixie {host}"
    assert [path.name for path in layers.host().parent.iterdir()] == ["root"]


def test_layer_whose_build_was_killed_is_built_again(layers: Layers) -> None:
    finished = layers.base().parent
    half = finished.with_name(f".{finished.name}")
    finished.rename(half)
    (half / "root/torn").touch()
    assert not (layers.base() / "torn").exists()


def test_layer_without_package_sources_is_refused(tmp_path: Path) -> None:
    what = f"package sources of Debian bookworm, as in {tmp_path / 'none'}"
    layers = Layers(tmp_path, print, sources=[tmp_path / "none"])
    assert_shows(printed(layers.base), MACHINE_LACKS, what=what)


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """A machine's apt settings, empty."""
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def usual_files(apt: Path) -> tuple[Path, Path]:
    return apt / "sources.list.d" / "debian.sources", apt / "sources.list"


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
def test_sources_in_either_format_and_of_any_name_are_found(
    apt: Path, name: str, text: str
) -> None:
    (apt / "sources.list.d/docker.list").write_text("deb http://d.example bookworm stable\n")
    (apt / "sources.list.d/database.list").write_text("deb http://p.example bookworm-pgdg main\n")
    (apt / name).write_text(text)
    assert sources_file(usual_files(apt)) == apt / name


@pytest.mark.parametrize(
    "text",
    [
        "# See /etc/apt/sources.list.d/debian.sources\n",
        "#deb http://packages.example/debian bookworm main\n",
        "deb http://packages.example/debian trixie main\n",
    ],
)
def test_sources_of_another_debian_or_of_none_are_not_used(apt: Path, text: str) -> None:
    (apt / "sources.list").write_text(text)
    with pytest.raises(Fault, match="bookworm"):
        sources_file(usual_files(apt))
