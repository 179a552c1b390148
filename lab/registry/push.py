"""Writes images into a registry by its own interface (OCI distribution): no engine is needed."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from lab.faults import FAILED

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CHUNK = 1 << 20
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Names of machines in images."""

Connect = Callable[[], http.client.HTTPConnection]


@dataclass(frozen=True)
class Layer:
    """A compressed tar archive in a file, and the digest of the archive itself."""

    file: Path
    digest: str
    diff_id: str

    @classmethod
    def of(cls, file: Path) -> Layer:
        """Read the digests of a file."""
        with file.open("rb") as compressed:
            digest = hashlib.file_digest(compressed, "sha256").hexdigest()
        with gzip.open(file) as archive:
            diff_id = hashlib.file_digest(archive, "sha256").hexdigest()
        return cls(file, f"sha256:{digest}", f"sha256:{diff_id}")


@dataclass(frozen=True)
class Image:
    """Layers, the lowest first, and how a container of them starts."""

    layers: Sequence[Layer]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """As in the specification: Entrypoint, Env, Labels."""
    machine: str = "x86_64"


def write_layer(file: Path, content: Mapping[str, bytes]) -> Layer:
    """Write a layer with a few files, the same for the same content."""
    archive = io.BytesIO()
    parents = {str(path) for name in content for path in PurePosixPath(name).parents} - {"."}
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in sorted(parents):  # or engines make them, for root alone
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, data in sorted(content.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    file.write_bytes(gzip.compress(archive.getvalue(), mtime=0))
    return Layer.of(file)


def push(
    connect: Connect, repository: str, tag: str, image: Image, source: str | None = None
) -> str:
    """Write an image under a name; return the digest of its index.

    Layers that the repository `source` has are taken from there.
    """
    target = _Target(connect, repository, source)
    platform = {"architecture": ARCHITECTURES[image.machine], "os": "linux"}
    config = _json(
        {
            **platform,
            "config": dict(image.settings),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]},
        }
    )
    for layer in image.layers:
        target.add_file(layer)
    target.add(config)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _described(CONFIG, config),
            "layers": [
                {"mediaType": LAYER, "digest": layer.digest, "size": layer.file.stat().st_size}
                for layer in image.layers
            ],
        }
    )
    target.name(digest_of(manifest), MANIFEST, manifest)
    manifests = [{**_described(MANIFEST, manifest), "platform": platform}]
    index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    target.name(tag, INDEX, index)
    return digest_of(index)


def digest_of(document: bytes) -> str:
    """Return the digest by which a registry names a document."""
    return f"sha256:{hashlib.sha256(document).hexdigest()}"


class _Target:
    """One repository of a registry."""

    def __init__(self, connect: Connect, repository: str, source: str | None) -> None:
        self._connect = connect
        self._path = f"/v2/{repository}"
        self._source = source

    def add(self, blob: bytes) -> None:
        """Write a blob."""
        self._put(self._upload(digest_of(blob)), blob)

    def add_file(self, layer: Layer) -> None:
        """Write a layer, unless the repository has it."""
        known = self._request("HEAD", f"{self._path}/blobs/{layer.digest}")
        if known.status != http.client.OK and not self._mount(layer.digest):
            with layer.file.open("rb") as content:
                self._put(self._upload(layer.digest), content, size=layer.file.stat().st_size)

    def name(self, reference: str, kind: str, document: bytes) -> None:
        """Write a manifest or index under a tag or its digest."""
        self._put(f"{self._path}/manifests/{reference}", document, kind=kind)

    def _mount(self, digest: str) -> bool:
        """Have a blob of another repository; False where that has none either."""
        if self._source is None:
            return False
        path = f"{self._path}/blobs/uploads/?mount={digest}&from={self._source}"
        return self._request("POST", path, length=0).status == http.client.CREATED

    def _upload(self, digest: str) -> str:
        """Begin an upload; return the path that takes the blob."""
        begun = self._request("POST", f"{self._path}/blobs/uploads/", length=0)
        location = urlsplit(begun.headers.get("Location", ""))
        if begun.status != http.client.ACCEPTED or not location.path:
            raise _refused(self._path, begun.status)
        return f"{location.path}?{location.query}&digest={digest}"

    def _put(
        self,
        path: str,
        content: Any,
        *,
        kind: str = "application/octet-stream",
        size: int | None = None,
    ) -> None:
        length = len(content) if size is None else size
        answer = self._request("PUT", path, content, length=length, kind=kind)
        if answer.status != http.client.CREATED:
            raise _refused(path, answer.status)

    def _request(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        length: int | None = None,
        kind: str | None = None,
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": kind} if kind else {}
        if length is not None:
            headers["Content-Length"] = str(length)
        connection = self._connect()
        connection.blocksize = CHUNK
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            raise FAILED(part="the registry", reason=str(error)) from None
        finally:
            connection.close()
        return answer


def _described(kind: str, document: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest_of(document), "size": len(document)}


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _refused(path: str, status: int) -> Exception:
    return FAILED(part="the registry", reason=f"it answers {status} for {path}")
