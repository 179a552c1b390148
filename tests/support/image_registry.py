"""The lab's container registry on a port of this machine, with tiny images of our own."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controlplane.images.catalogue import images_of
from controlplane.images.settings import ImageSettings
from lab.registry.push import Image, push, write_layer
from lab.registry.server import Registry

OLDER, NEWER = "2024.06.52", "2024.06.57"
HALF = "2024.06.60"
"""Of this version one image was never pushed."""
MISSING = "webmail"


@dataclass(frozen=True)
class ImageRegistry:
    """A running registry, and what is in it."""

    server: Registry
    settings: ImageSettings
    digests: Mapping[str, Mapping[str, str]]
    """By version and service, as they were pushed."""


class SamePort:
    """Listens at a free port of loopback, at each call at the same one."""

    def __init__(self) -> None:
        self._port = 0

    def __call__(self) -> socket.socket:
        """Return a listening socket."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        return listener


@contextmanager
def running_registry(directory: Path) -> Iterator[ImageRegistry]:
    """Run a registry that keeps everything in a directory."""
    server = Registry(directory, directory / "images", SamePort())
    url = server.start()
    try:
        digests = {version: _push(server, directory, version) for version in (OLDER, NEWER, HALF)}
        settings = ImageSettings(registry=url, ca_file=server.ca_file)
        yield ImageRegistry(server, settings, digests)
    finally:
        server.stop()


def _push(server: Registry, directory: Path, version: str) -> dict[str, str]:
    """Push one image for each service; its content names service and tag."""
    digests = {}
    for service, image in images_of(version).items():
        if (version, service) == (HALF, MISSING):
            continue
        content = {"name": f"{image.name}:{image.tag}".encode()}
        layer = write_layer(directory / "layer.tar.gz", content)
        digests[service] = push(server.connect, image.repository, image.tag, Image([layer]))
    return digests
