"""The image that stands in for all of Mailu's: daemons of Debian 12 with configurations of our own.

Its digests are its own. It is built once on a machine, from the layers of the lab's own guests, and
pushed under every name.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from kit.paths import checkout
from lab import cgroups, leftovers
from lab.commands import run
from lab.layers import Layers
from lab.nameserver.guest import REGISTRY
from lab.registry.push import Connect, Image, Layer, push, write_layer

VERSIONS = ("2024.06.56", "2024.06.57")
"""Tags: two, so that one can be replaced by the other."""
NAMES = {
    "nginx": "front",
    "admin": "admin",
    "dovecot": "imap",
    "postfix": "smtp",
    "rspamd": "antispam",
    "unbound": "resolver",
    "webmail": "webmail",
}
"""Mailu's names of images, and the part that each is."""
REDIS = "docker/library/redis"
FIRST = "mailu/nginx"
"""The repository that is filled first; the others take their layers from it."""
ARCHIVE = Path("root.tar")
HOME = "opt/stand-in"
"""Where our program is in the image."""
ROOMS = ("kit", "lab/mailu")
ROOT_SERVERS = "etc/stand-in/root-servers.json"
FLASK = "usr/local/bin/flask"
"""The command line of the part `admin`, by the name that Mailu's image has for it."""
SECOND = 1_000_000_000
"""In the nanoseconds of an image's configuration."""
HEALTH = {
    "admin": ("curl -m3 -skfLo /dev/null http://127.0.0.1:8080/ping", 0),
    "antispam": ("curl -m3 -skfLo /dev/null http://127.0.0.1:11334/", 350),
    "front": (
        (
            "curl -m3 -skfLo /dev/null http://127.0.0.1:10204/health && "
            'kill -0 "$(cat /run/dovecot/master.pid)"'
        ),
        60,
    ),
    "imap": ('kill -0 "$(cat /run/dovecot/master.pid)"', 0),
    "resolver": ("dig +short @127.0.0.1 example.org A >/dev/null", 0),
    "smtp": ("! /usr/lib/postfix/sbin/master -t", 30),
    "webmail": ("curl -m3 -sfo /dev/null http://127.0.0.1/ping", 0),
}
"""Health commands of the images, and the seconds that a start may take; 30 s apart, as Docker's
default is."""
PACK = r"""
mkdir "$0.root"
mount -t overlay overlay -o "lowerdir=$1" "$0.root"
tar -C "$0.root" --numeric-owner --sort=name --exclude=./usr/share/doc --exclude=./usr/share/man \
  -cf "$0" .
umount "$0.root"; rmdir "$0.root"
"""
Progress = Callable[[str], None]


def push_all(connect: Connect, base: Layer, directory: Path) -> dict[str, str]:
    """Push what the registry lacks, its own layer by way of a directory; return the digests."""
    program = write_layer(directory / "program.tar.gz", dict(_program()))
    digests = {}
    for version in VERSIONS:
        for name, part in NAMES.items():
            repository, image = f"mailu/{name}", _image([base, program], part, version)
            digests[f"{repository}:{version}"] = push(connect, repository, version, image, FIRST)
    redis = _image([base, program], "redis", "alpine")
    digests[f"{REDIS}:alpine"] = push(connect, REDIS, "alpine", redis, FIRST)
    return digests


def found(cache: Path) -> Layer | None:
    """Return the layer of Debian's packages; None where it was never built."""

    def refuse(line: str) -> None:
        raise LookupError(line)

    try:
        return base(cache, refuse)
    except LookupError:
        return None


def base(cache: Path, progress: Progress) -> Layer:
    """Return the layer of Debian's packages, built when missing.

    Only for the holder of the machine's lab lock.
    """
    roots = root(cache, progress)
    digest = hashlib.sha256(f"{roots[0].parent.name}\0{PACK}".encode()).hexdigest()[:16]
    finished = cache / leftovers.CACHE / "images" / digest
    if not finished.exists():
        progress("packing the stand-in image, about 15 s, once on this machine")
        building = finished.with_name(f".{digest}")
        shutil.rmtree(building, ignore_errors=True)  # what a killed build left
        building.mkdir(parents=True)
        _pack(building, roots)
        building.rename(finished)
    made = json.loads((finished / "layer.json").read_text())
    return Layer(finished / ARCHIVE.with_suffix(".tar.gz"), made["digest"], made["diff_id"])


def root(cache: Path, progress: Progress) -> list[Path]:
    """Return the layers whose sum is the root of every container, topmost first.

    Only for the holder of the machine's lab lock, where one is missing.
    """
    layers = Layers(cache, progress)
    return [layers.containers(), layers.mail(), layers.base()]


def _pack(directory: Path, roots: list[Path]) -> None:
    archive = directory / ARCHIVE
    script = ("unshare", "-m", "--propagation", "private", "sh", "-ec", PACK)
    lower = ":".join(map(str, roots))
    run(*cgroups.inside(cgroups.BUILD, *script, str(archive), lower))
    with archive.open("rb") as plain:
        diff_id = hashlib.file_digest(plain, "sha256").hexdigest()
    run(*cgroups.inside(cgroups.BUILD, "gzip", "-1", "-n", str(archive)))
    with archive.with_suffix(".tar.gz").open("rb") as packed:
        digest = hashlib.file_digest(packed, "sha256").hexdigest()
    made = {"digest": f"sha256:{digest}", "diff_id": f"sha256:{diff_id}"}
    (directory / "layer.json").write_text(json.dumps(made))


def _image(layers: list[Layer], part: str, version: str) -> Image:
    settings: dict[str, object] = {
        "Entrypoint": ["python3", "-m", "lab.mailu.container", part],
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"PYTHONPATH=/{HOME}",
            "PYTHONDONTWRITEBYTECODE=1",
        ],
        "Labels": {
            "org.opencontainers.image.title": f"stand-in of the lab: {part}",
            "org.opencontainers.image.version": version,
        },
    }
    if part in HEALTH:
        command, start = HEALTH[part]
        health = {"Test": ["CMD-SHELL", command], "StartPeriod": start * SECOND}
        settings["Healthcheck"] = health
    return Image(layers, settings)


def _program() -> Iterator[tuple[str, bytes]]:
    """Yield the files of our own program by their names in the image."""
    yield FLASK, b'#!/bin/sh\nexec python3 -m lab.mailu.admin.cli "$@"\n'
    yield ROOT_SERVERS, json.dumps(REGISTRY).encode()
    yield f"{HOME}/lab/__init__.py", (checkout() / "lab/__init__.py").read_bytes()
    for room in ROOMS:
        for path in sorted((checkout() / room).rglob("*")):
            if path.is_file() and path.suffix != ".pyc" and path.suffix != ".md":
                yield f"{HOME}/{path.relative_to(checkout())}", path.read_bytes()
