"""When two DNS records mean the same, by Cloudflare's rules; pure functions on plain values."""

from __future__ import annotations

import re
from typing import Any

RECORD_FIELDS = {
    "name": "name",
    "type": "type",
    "content": "content",
    "data": "data",
    "ttl": "ttl",
    "proxied": "proxied",
    "priority": "priority",
    "comment": "comment",
    "tags": "tags",
}
"""Pulumi's spelling to the API's; `zoneId` is part of the path."""

COMMENT_LIMIT = 500


def mistakes(inputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (property, reason) for everything that Cloudflare would refuse."""
    found = [
        (key, "is required") for key in ("zoneId", "name", "type", "ttl") if not inputs.get(key)
    ]
    ttl = inputs.get("ttl")
    if ttl and ttl != 1 and not 60 <= ttl <= 86400:
        found.append(("ttl", "must be 1 (automatic) or between 60 and 86400 seconds"))
    if inputs.get("type") == "MX" and inputs.get("priority") is None:
        found.append(("priority", "is required for MX"))
    if not inputs.get("content") and not inputs.get("data"):
        found.append(("content", "is required"))
    if len(inputs.get("comment") or "") > COMMENT_LIMIT:
        found.append(("comment", f"must not be longer than {COMMENT_LIMIT} characters"))
    return found


def changed_fields(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return the properties that differ in meaning."""
    return [
        key
        for key in ("zoneId", *RECORD_FIELDS)
        if _meaning(key, old, old) != _meaning(key, new, old)
    ]


def live_inputs(planned: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that the live record amounts to, keeping our spelling where it agrees."""
    seen: dict[str, Any] = {"zoneId": planned["zoneId"]}
    for ours, api in RECORD_FIELDS.items():
        if live.get(api) not in (None, [], {}):
            seen[ours] = live[api]
    if "proxied" not in planned and not seen.get("proxied"):
        seen.pop("proxied", None)
    differs = set(changed_fields(planned, seen))
    return {
        key: planned[key] if key in planned and key not in differs else seen[key] for key in seen
    }


def _meaning(key: str, inputs: dict[str, Any], other: dict[str, Any]) -> Any:
    value = inputs.get(key)
    if key == "proxied":
        return bool(value)
    if value in (None, "", [], {}):
        return None
    if key == "name":
        return str(value).rstrip(".").lower()
    if key == "content":
        return _content(str(inputs.get("type") or other.get("type")), str(value))
    if key in ("ttl", "priority"):
        return int(value)
    return value


def _content(kind: str, content: str) -> str:
    if kind == "TXT":
        return unquoted(content)
    if kind in ("CNAME", "MX", "NS", "PTR"):
        return content.rstrip(".").lower()
    return content


def unquoted(text: str) -> str:
    """Join the quoted strings of a TXT record; text without quotes is returned as it is."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    return "".join(parts) if parts and text.startswith('"') else text
