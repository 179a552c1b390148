"""A running lab builds the stand-in image when it is asked to, and serves it under all names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from controlplane.images.catalogue import SERVICES, images_of
from controlplane.images.registry import Registries
from controlplane.images.settings import ImageSettings
from kit.processes import own_identity
from lab.emulator_server import serve
from lab.faults import FAILED, NO_IMAGES
from lab.registry import order, stand_in
from lab.registry.images import Images
from lab.registry.push import Layer, write_layer
from lab.registry.server import Registry
from lab.running import RunningLab
from tests.support.faults import assert_shows, printed
from tests.support.image_registry import SamePort

BUILDING = "building the image"
Provide = Callable[[], list[str]]


class Builder:
    """Builds a tiny layer, or fails."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "base.tar.gz"
        self.fails = False
        self.layer: Layer | None = None

    def found(self) -> Layer | None:
        return self.layer

    def built(self, progress: stand_in.Progress) -> Layer:
        if self.layer is None:
            progress(BUILDING)
            if self.fails:
                raise FAILED(part="the build", reason="the disk is full")
            self.layer = write_layer(self._file, {"etc/debian_version": b"12"})
        return self.layer


@pytest.fixture
def builder(servers_dir: Path) -> Builder:
    return Builder(servers_dir)


@pytest.fixture
def pins(servers_dir: Path) -> Iterator[tuple[Registry, ImageSettings]]:
    registry = Registry(servers_dir / "registry", servers_dir / "pushed", SamePort())
    url = registry.start()
    yield registry, ImageSettings(registry=url, ca_file=registry.ca_file)
    registry.stop()


@pytest.fixture
def images(servers_dir: Path, pins: tuple[Registry, ImageSettings], builder: Builder) -> Images:
    registry, _ = pins
    return Images(registry.connect, servers_dir, found=builder.found, built=builder.built)


@pytest.fixture
def lab(images: Images, tmp_path: Path) -> Iterator[RunningLab]:
    """The file of a running lab whose emulators are this server."""
    server = serve(Starlette(routes=[images.route()]))
    lab = RunningLab(
        process=own_identity(),
        level="hosts",
        hostwinds_url=server.url,
        hostwinds_key="key",
        cloudflare_url=server.url,
        cloudflare_token="token",
        registry="https://127.0.0.1",
    )
    lab.write(tmp_path)
    yield lab
    server.stop()


@pytest.fixture
def provide(lab: RunningLab, tmp_path: Path) -> Provide:
    def ask() -> list[str]:
        lines: list[str] = []
        assert order.provide(tmp_path, tmp_path, lines.append)
        return lines

    return ask


def test_images_are_built_once_and_served(lab: RunningLab, provide: Provide) -> None:
    assert not order.state_of(lab)["served"]
    shown = provide()
    assert shown[0] == BUILDING
    assert order.state_of(lab)["served"]
    assert provide() == shown  # the lines of the build that was done


def test_build_that_fails_says_why_and_is_repeated(
    lab: RunningLab, provide: Provide, builder: Builder
) -> None:
    builder.fails = True
    assert_shows(printed(provide), FAILED, part="the build", reason="the disk is full")
    assert not order.state_of(lab)["served"]
    builder.fails = False
    assert BUILDING in provide()


def test_image_that_is_there_is_served_from_the_start(
    lab: RunningLab, images: Images, builder: Builder
) -> None:
    images.push_if_built()
    assert not order.state_of(lab)["served"]
    builder.built(print)
    images.push_if_built()
    assert order.state_of(lab)["served"]


def test_lab_at_api_level_serves_none(lab: RunningLab, provide: Provide, tmp_path: Path) -> None:
    lab.registry = None
    lab.write(tmp_path)
    assert_shows(printed(provide), NO_IMAGES)


async def test_digests_of_all_images_can_be_pinned(
    pins: tuple[Registry, ImageSettings], provide: Provide
) -> None:
    provide()
    registries = Registries(pins[1])
    older, newer = [await registries.digests(images_of(v)) for v in stand_in.VERSIONS]
    assert older["redis"] == newer["redis"]
    assert all(older[service] != newer[service] for service in SERVICES)
    assert len({*older.values(), *newer.values()}) == 2 * len(SERVICES) + 1
