"""Equivalence of DNS records by Cloudflare's rules; pure functions on plain values."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

import idna

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
    "settings": "settings",
    "privateRouting": "private_routing",
}
"""Pulumi's property names to the API's; `zoneId` is part of the path."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Pulumi's marker of a value that a preview does not know yet."""

NAMED_CONTENT = {"CNAME", "MX", "NS", "PTR"}
"""Types whose content is a host name."""
WITH_DATA = {
    "CAA", "CERT", "DNSKEY", "DS", "HTTPS", "LOC", "NAPTR", "SMIMEA", "SRV", "SSHFP", "SVCB",
    "TLSA", "URI",
}  # fmt: skip
"""Types that are given by `data`; their content is computed."""
COMMENT_LIMIT = 500


def mistakes(inputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (property, reason) for everything that Cloudflare would refuse."""
    violations = [
        (key, "is required") for key in ("zoneId", "name", "type", "ttl") if not inputs.get(key)
    ]
    ttl = inputs.get("ttl")
    if isinstance(ttl, int | float) and ttl not in (0, 1) and not 60 <= ttl <= 86400:
        violations.append(("ttl", "must be 1 (automatic) or between 60 and 86400 seconds"))
    if inputs.get("type") == "MX" and inputs.get("priority") is None:
        violations.append(("priority", "is required for MX"))
    if not inputs.get("content") and not inputs.get("data"):
        violations.append(("content", "is required"))
    if len(inputs.get("comment") or "") > COMMENT_LIMIT:
        violations.append(("comment", f"must not be longer than {COMMENT_LIMIT} characters"))
    return violations


def changed_fields(
    old: dict[str, Any], new: dict[str, Any], *, with_live: bool = False
) -> list[str]:
    """Return the properties that differ in meaning.

    `with_live` is for a comparison with a response of the API, which has relative names in full;
    between two inputs of a program `mx1` and `mx1.acme.example` are different names.
    """
    kind = str(new.get("type") or old.get("type") or "")
    differing = []
    for key in ("zoneId", *RECORD_FIELDS):
        before, after = old.get(key), new.get(key)
        same = UNKNOWN not in (before, after) and _meaning(key, kind, before) == _meaning(
            key, kind, after
        )
        if key == "name" and with_live:
            same = _same_name(host_name(before), host_name(after))
        if key == "ttl" and old.get("proxied") and new.get("proxied"):
            same = True  # always 1 for proxied records
        if not same:
            differing.append(key)
    return differing


def live_inputs(planned: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of the live record, in the planned form where both mean the same.

    When a record is imported, `planned` has `zoneId` only, and all live fields are returned.
    """
    current: dict[str, Any] = {"zoneId": planned["zoneId"]}
    for ours, api in RECORD_FIELDS.items():
        if live.get(api) not in (None, "", [], {}, False):
            current[ours] = camel(live[api])
    if current.get("type") in WITH_DATA and "content" not in planned and "data" in current:
        current.pop("content", None)  # computed by Cloudflare
    differs = set(changed_fields(planned, current, with_live=True))
    unchanged = {key: value for key, value in planned.items() if key not in differs}
    return {**unchanged, **{key: current[key] for key in current if key in differs}}


def is_written(body: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Tell whether a live record has all that the body of a request asks for."""
    planned = {ours: camel(body[api]) for ours, api in RECORD_FIELDS.items() if body.get(api)}
    current = {ours: camel(live[api]) for ours, api in RECORD_FIELDS.items() if live.get(api)}
    return planned.keys().isdisjoint(changed_fields(current, planned, with_live=True))


def body(inputs: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the request body: configured fields under the API's names, null for removed ones."""
    sent: dict[str, Any] = {"proxied": False}
    for ours, api in RECORD_FIELDS.items():
        if inputs.get(ours) is not None:
            sent[api] = snake(inputs[ours])
        elif before and before.get(ours) is not None and ours != "proxied":
            sent[api] = None
    return sent


def unknown_in(value: Any) -> bool:
    """Tell whether a preview does not know this value, or a part of it, yet."""
    return UNKNOWN in str(value)


def unquoted(text: str) -> str:
    """Join the quoted strings of a TXT record; text without quotes is returned as it is."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    if not text.startswith('"') or not parts:
        return text
    return re.sub(r"\\(.)", r"\1", "".join(parts))


def snake(value: Any) -> Any:
    """Convert keys of nested values to the API's names, and whole numbers to integers."""
    if isinstance(value, dict):
        return {re.sub(r"(?<!^)([A-Z])", r"_\1", key).lower(): snake(v) for key, v in value.items()}
    if isinstance(value, list):
        return [snake(entry) for entry in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def camel(value: Any) -> Any:
    """Convert the keys of nested values to Pulumi's names."""
    if isinstance(value, dict):
        return {
            re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), key): camel(v)
            for key, v in value.items()
        }
    if isinstance(value, list):
        return [camel(entry) for entry in value]
    return value


def _same_name(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return bool(short) and (short == "@" or long.startswith(short + "."))


def host_name(value: Any) -> str:
    """Return a host name as the API stores it: lower case, Punycode, no dot at its end."""
    text = str(value or "").rstrip(".").lower()
    try:
        return ".".join(map(_a_label, text.split(".")))
    except UnicodeError:
        return text


def _a_label(label: str) -> str:
    """Return a label in Punycode (UTS 46); one in ASCII may have an underscore."""
    return label if label.isascii() else idna.encode(label, uts46=True).decode()


def _meaning(key: str, kind: str, value: Any) -> Any:
    if key == "proxied":
        return bool(value)
    if value in (None, "", [], {}):
        return None
    if key == "name":
        return host_name(value)
    if key == "content":
        return _content(kind, str(value))
    if key == "tags":
        return sorted(str(tag).lower() for tag in value)
    if key == "settings":
        return {name: v for name, v in value.items() if v} or None
    return value


def _content(kind: str, content: str) -> str:
    if kind == "TXT":
        return unquoted(content)
    if kind in NAMED_CONTENT:
        return host_name(content)
    if kind == "AAAA":
        try:
            return str(ipaddress.IPv6Address(content))
        except ValueError:
            return content
    return content
