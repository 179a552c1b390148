"""The stand-in image is pushed under all names: once, with the layers of the first."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from controlplane.images.catalogue import OFFICIAL, SERVICES, images_of
from lab.nameserver.guest import REGISTRY
from lab.registry import stand_in
from lab.registry.push import INDEX, MANIFEST, Connect, write_layer
from lab.registry.storage import Storage


def read(connect: Connect, path: str) -> Any:
    with closing(connect()) as connection:
        connection.request("GET", f"/v2/{path}", headers={"Accept": f"{INDEX}, {MANIFEST}"})
        answer = connection.getresponse()
        assert answer.status == 200, path
        return json.loads(answer.read())


def config_of(connect: Connect, repository: str, tag: str) -> tuple[Any, list[str]]:
    """Return how a container of an image starts, and the digests of its layers."""
    [described] = read(connect, f"{repository}/manifests/{tag}")["manifests"]
    manifest = read(connect, f"{repository}/manifests/{described['digest']}")
    config = read(connect, f"{repository}/blobs/{manifest['config']['digest']}")
    return config["config"], [layer["digest"] for layer in manifest["layers"]]


def test_every_image_of_a_host_is_the_same_layers_and_starts_its_part(servers_dir: Path) -> None:
    directory = servers_dir / "stand-in"
    directory.mkdir()
    storage = Storage(directory, directory / "images")
    storage.start()
    try:
        base = write_layer(directory / "base.tar.gz", {"etc/debian_version": b"12"})
        pushed = stand_in.push_all(storage.connect, base, directory)
        assert stand_in.push_all(storage.connect, base, directory) == pushed
        seen = []
        for version in stand_in.VERSIONS:
            images = images_of(version)
            assert {f"{image.repository}:{image.tag}" for image in images.values()} <= set(pushed)
            for service, image in images.items():
                config, layers = config_of(storage.connect, image.repository, image.tag)
                part = "redis" if image.registry == OFFICIAL else service
                assert config["Entrypoint"] == ["python3", "-m", "lab.mailu.container", part]
                assert "stand-in" in config["Labels"]["org.opencontainers.image.title"]
                assert ("Healthcheck" in config) == (part in stand_in.HEALTH)
                seen.append(layers)
        assert seen == [[base.digest, seen[0][1]]] * len(seen)
        assert len(pushed) == len(set(pushed.values())) == 2 * len(SERVICES) + 1
    finally:
        storage.stop()


def test_image_has_the_program_and_where_the_root_is() -> None:
    files = dict(stand_in._program())
    assert json.loads(files["etc/stand-in/root-servers.json"]) == REGISTRY
    assert b"lab.mailu.admin.cli" in files["usr/local/bin/flask"]
    names = ("lab/mailu/container/__main__.py", "lab/mailu/admin/queries.sql", "kit/__init__.py")
    assert {f"opt/stand-in/{name}" for name in names} <= files.keys()
