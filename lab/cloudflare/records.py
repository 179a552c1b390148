"""The rules for a record: validation, and the stored form."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from lab.cloudflare.errors import Refusal

PROXIABLE = ("A", "AAAA", "CNAME")
TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT", "TLSA", "URI")
COMMENT_LIMIT = 100
TXT_LIMIT = 4096
TXT_TOTAL = 8192
"""Characters in all TXT records of one name."""
CHUNK = 255
AUTOMATIC_TTL = 1
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]+")


def normalised(body: dict[str, Any], zone: str) -> dict[str, Any]:
    """Return the record as it is stored and returned; raises Refusal."""
    kind = str(body.get("type", "")).upper()
    if kind not in TYPES:
        raise Refusal(9004, f"Invalid record type {kind}.")
    name = _name(str(body.get("name") or ""), zone)
    proxied = bool(body.get("proxied") or False)
    if proxied and kind not in PROXIABLE:
        raise Refusal(9041, "This record type cannot be proxied.")
    comment = body.get("comment")
    if comment is not None and (len(comment) > COMMENT_LIMIT or re.search(r"[\r\n]", comment)):
        raise Refusal(9313, f"DNS record comments are limited to {COMMENT_LIMIT} characters.")
    if body.get("tags"):
        raise Refusal(9300, f"DNS record has {len(body['tags'])} tags, exceeding the quota of 0.")
    record: dict[str, Any] = {
        "name": name,
        "type": kind,
        "content": _content(kind, body, name),
        "proxiable": kind in PROXIABLE,
        "proxied": proxied,
        "ttl": AUTOMATIC_TTL if proxied else _ttl(body.get("ttl", AUTOMATIC_TTL)),
        "settings": {},
        "meta": {},
        "comment": comment,
        "tags": [],
    }
    if kind in ("MX", "URI"):
        record["priority"] = _priority(body.get("priority"))
    return record


def plain_content(record: dict[str, Any]) -> str:
    """Return the content for the name server: TXT unquoted and joined, MX with priority."""
    content = str(record["content"])
    if record["type"] == "TXT":
        return joined(content)
    return f"{record['priority']} {content}" if record["type"] == "MX" else content


def joined(text: str) -> str:
    """Join the quoted strings of a TXT content; without quotes it is one string already."""
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", r"\1", "".join(QUOTED.findall(text)))


def _name(name: str, zone: str) -> str:
    name = name.rstrip(".").lower()
    if name in ("@", ""):
        return zone
    if name != zone and not name.endswith(f".{zone}"):
        name = f"{name}.{zone}"
    if len(name) > 253 or not NAME.fullmatch(name):
        raise Refusal(9000, "DNS name is invalid.")
    return name


def _content(kind: str, body: dict[str, Any], name: str) -> str:
    content = str(body.get("content") or "")
    if not content:
        raise Refusal(9005, f"Content for {kind} record is required.")
    if kind in ("A", "AAAA"):
        return _address(kind, content)
    if kind == "TXT":
        return _text(content)
    if kind in ("CNAME", "MX", "NS"):
        content = content.rstrip(".").lower()
        if kind == "CNAME" and content == name:
            raise Refusal(9039, "CNAME content cannot reference itself.")
        if not re.fullmatch(r"[a-z0-9_.-]+\.[a-z0-9-]+", content):
            raise Refusal(9009, f"Content for {kind} record is invalid.")
    return content


def _address(kind: str, content: str) -> str:
    """Refuse short forms of IPv4, convert IPv6 to its canonical form."""
    version, code = (4, 9005) if kind == "A" else (6, 9006)
    try:
        address = ipaddress.ip_address(content)
    except ValueError:
        address = None
    if address is None or address.version != version:
        raise Refusal(code, f"Content for {kind} record must be a valid IPv{version} address.")
    return str(address)


def _text(content: str) -> str:
    """Return short unquoted text unchanged; quote and split long text, as the API does."""
    if content.startswith('"') and QUOTED.sub("", content).strip():
        raise Refusal(9010, "Quotes in TXT content are unbalanced.")
    if len(joined(content).encode()) > TXT_LIMIT:
        raise Refusal(9011, "Content of a TXT record is limited to 4096 bytes.")
    if content.startswith('"'):
        return content
    if len(content) <= CHUNK:
        return content
    chunks = (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))
    return " ".join(f'"{chunk}"' for chunk in chunks)


def _ttl(ttl: Any) -> int:
    if not isinstance(ttl, int | float):
        raise Refusal(9208, "TTL must be a number.")
    if ttl != AUTOMATIC_TTL and not 60 <= ttl <= 86400:
        raise Refusal(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1.")
    return int(ttl)


def _priority(priority: Any) -> int:
    if not isinstance(priority, int | float) or not 0 <= priority <= 65535:
        raise Refusal(9101, "Priority is required and must be between 0 and 65535.")
    return int(priority)
