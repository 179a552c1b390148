"""Which public key a DKIM record publishes, as a verifier reads it (RFC 6376 3.6.1)."""

from __future__ import annotations

import base64

from controlplane.verification.tag_list import TagMistake, parse, unfolded


class KeyMistake(Exception):
    """No signature of ours verifies with this record; the message says why."""


def published_key(text: str) -> bytes:
    """Return the key in DER; raises KeyMistake where mail that rsa-sha256 signs does not verify."""
    try:
        tags = parse(text)
    except TagMistake as mistake:
        raise KeyMistake(f"it is no DKIM key: {mistake}") from None
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise KeyMistake("its tag v= is not DKIM1, or not the first tag")
    if "p" not in tags:
        raise KeyMistake("it is no DKIM key: it has no tag p=")
    if (kind := tags.get("k", "rsa")) != "rsa":
        raise KeyMistake(f"it is for keys of type {kind}, not rsa")
    if "sha256" not in _values(tags.get("h", "sha256")):
        raise KeyMistake(f"it does not admit sha256: h={tags['h']}")
    if not {"*", "email"} & set(_values(tags.get("s", "*"))):
        raise KeyMistake(f"it is not for e-mail: s={tags['s']}")
    encoded = unfolded(tags["p"])
    if not encoded:
        raise KeyMistake("the key is revoked: p= is empty")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise KeyMistake("its key is not valid Base64") from None


def _values(text: str) -> list[str]:
    return [value.strip().lower() for value in text.split(":")]
