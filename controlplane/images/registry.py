"""Reads digests from container registries, with the exchange of tokens (OCI distribution)."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx2
from httpx2 import codes

from controlplane.images.catalogue import Image
from controlplane.images.faults import UNCLEAR, UNKNOWN, UNREACHABLE, UNTRUSTED
from controlplane.images.settings import ImageSettings
from kit.faults import Fault, first_line

DEADLINE_SECONDS = 25.0
"""For all images; the command line waits for thirty."""
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""Kinds of a document that lists the same image for several platforms."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Registries:
    """The registries in force."""

    def __init__(self, settings: ImageSettings, deadline: float = DEADLINE_SECONDS) -> None:
        self._settings = settings
        self._deadline = deadline

    def url_of(self, image: Image) -> str:
        """Return the URL of the registry that is asked for an image."""
        return self._settings.registry or f"https://{image.registry}"

    async def digests(self, images: Mapping[str, Image]) -> dict[str, str]:
        """Return the digest of each image's index; raises a fault where one cannot be had."""
        return await asyncio.to_thread(self._read, images)

    def _read(self, images: Mapping[str, Image]) -> dict[str, str]:
        digests: dict[str, str] = {}
        registry = ""
        end = time.monotonic() + self._deadline
        try:
            with self._client() as client:
                for service, image in images.items():
                    registry = self.url_of(image)
                    digests[service] = _Reading(client, registry, image, end).digest()
        except httpx2.TimeoutException:
            raise UNREACHABLE(registry=registry, reason="no answer in time") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise _broken(registry, error) from None
        return digests

    def _client(self) -> httpx2.Client:
        try:
            context = ssl.create_default_context(cafile=self._settings.ca_file)
        except OSError as error:  # an SSLError is one
            reason = f"{self._settings.ca_file}: {first_line(error)}"
            raise UNTRUSTED(
                registry=self._settings.registry or "https://ghcr.io", reason=reason
            ) from None
        # A registry with an authority of its own is not reached through the proxy to the Internet.
        return httpx2.Client(verify=context, trust_env=self._settings.ca_file is None)


class _Reading:
    """Reads the digest of one image; `end` is when everything has to be over."""

    def __init__(self, client: httpx2.Client, registry: str, image: Image, end: float) -> None:
        self._client = client
        self._registry = registry
        self._image = image
        self._end = end

    def digest(self) -> str:
        """Return the digest of the image's index."""
        url = f"{self._registry}/v2/{self._image.repository}/manifests/{self._image.tag}"
        headers = {"Accept": ", ".join(INDEXES)}
        answer = self._request("HEAD", url, headers=headers)
        if answer.status_code == codes.UNAUTHORIZED:
            headers["Authorization"] = f"Bearer {self._token(answer)}"
            answer = self._request("HEAD", url, headers=headers)
        self._require_ok(answer)
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        if kind not in INDEXES:
            raise self._unclear(f"it answers {kind or 'no kind of document'}")
        digest: str = answer.headers.get("Docker-Content-Digest", "")
        if not DIGEST.fullmatch(digest):
            raise self._unclear("its answer has no valid Docker-Content-Digest")
        return digest

    def _token(self, answer: httpx2.Response) -> str:
        """Return what a client without an account may read the repository with."""
        scheme, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        challenge = dict(PARAMETER.findall(rest))
        realm = challenge.pop("realm", "")
        if scheme.lower() != "bearer" or not realm.startswith("https://"):
            raise self._unclear("it asks for another login than a token by HTTPS")
        query = {key: challenge[key] for key in ("service", "scope") if key in challenge}
        given = self._request("GET", realm, params=query)
        self._require_ok(given)
        try:
            body = given.json()
            token = body.get("token") or body["access_token"]
        except (ValueError, KeyError, AttributeError):
            raise self._unclear("its token service gives no token") from None
        return str(token)

    def _request(self, method: str, url: str, **content: Any) -> httpx2.Response:
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise UNREACHABLE(registry=self._registry, reason="no answer in time")
        return self._client.request(method, url, timeout=remaining, **content)

    def _require_ok(self, answer: httpx2.Response) -> None:
        """Raise the fault that an answer means.

        Registries do not tell what is private from what is unknown.
        """
        if answer.status_code in (codes.UNAUTHORIZED, codes.FORBIDDEN, codes.NOT_FOUND):
            image = f"{self._image.name}:{self._image.tag}"
            raise UNKNOWN(registry=self._registry, image=image)
        if answer.status_code != codes.OK:
            raise self._unclear(f"it answers {answer.status_code}")

    def _unclear(self, reason: str) -> Fault:
        image = f"{self._image.name}:{self._image.tag}"
        return UNCLEAR(registry=self._registry, image=image, reason=reason)


def _broken(registry: str, error: Exception) -> Fault:
    """Return the fault of a request that failed before an answer."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return UNTRUSTED(registry=registry, reason=cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    return UNREACHABLE(registry=registry, reason=first_line(error) or "the connection broke")
