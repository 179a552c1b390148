"""Faults of reading images from a registry and pinning them."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("images", "Container images, read from a registry and pinned")

EXAMPLE = "ghcr.io/mailu/nginx:2024.06.57"

NOT_PINNED = FAULTS.code(
    "images.not_pinned",
    message="host {host} cannot have Mailu: no image is pinned for {services}",
    remedy="run `penguin platform images pin VERSION`, or set `mail: none`",
    cause="Which images of Mailu hosts run is decided once for all hosts, by an operator.",
    example={"host": "mx1", "services": "admin, front"},
    acts=Actor.OPERATOR,
)

TOO_OLD = FAULTS.code(
    "images.too_old",
    message="version {version} is older than {oldest}",
    remedy="give {oldest} or later",
    cause="Older versions of Mailu let anyone change an API token (CVE-2026-49217).",
    example={"version": "2024.06.51", "oldest": "2024.06.52"},
    status=422,
    acts=Actor.OPERATOR,
)
UNREACHABLE = FAULTS.code(
    "images.unreachable",
    message="registry {registry} cannot be reached: {reason}",
    remedy="check the network and PENGUIN_IMAGES__REGISTRY, then repeat it",
    cause="No connection to the registry, or no answer in time; nothing was pinned.",
    example={"registry": "https://ghcr.io", "reason": "no answer in time"},
    status=503,
    retryable=True,
    acts=Actor.OPERATOR,
)
UNTRUSTED = FAULTS.code(
    "images.untrusted",
    message="the certificate of registry {registry} cannot be trusted: {reason}",
    remedy="name the file of its authority in PENGUIN_IMAGES__CA_FILE",
    cause="The registry shows a certificate of an unknown authority or for another name, or the "
    "file of its authority cannot be read; nothing was pinned.",
    example={"registry": "https://ghcr.io", "reason": "self-signed certificate"},
    status=503,
    acts=Actor.OPERATOR,
)
UNKNOWN = FAULTS.code(
    "images.unknown",
    message="registry {registry} has no image {image}",
    remedy="give a version that was released",
    cause="The registry does not know the tag, or gives no access to its repository; nothing was "
    "pinned.",
    example={"registry": "https://ghcr.io", "image": EXAMPLE},
    status=422,
    acts=Actor.OPERATOR,
)
UNCLEAR = FAULTS.code(
    "images.unclear",
    message="registry {registry} gives no digest of {image}: {reason}",
    remedy="check that PENGUIN_IMAGES__REGISTRY is a container registry, then repeat it",
    cause="The registry answers something else than the digest of an image for several platforms; "
    "nothing was pinned.",
    example={"registry": "https://ghcr.io", "image": EXAMPLE, "reason": "it answers 500"},
    status=503,
    retryable=True,
    acts=Actor.OPERATOR,
)
MOVED = FAULTS.code(
    "images.moved",
    message="the images of version {version} are no longer those that were shown",
    remedy="run `penguin platform images pin {version}` again",
    cause="The registry names other digests than at the question; nothing was pinned.",
    example={"version": "2024.06.57"},
    status=409,
    acts=Actor.OPERATOR,
)
