"""A zone's records as a BIND zone file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.cloudflare.records import AUTOMATIC_TTL, HOSTS, joined, plain_content


def exported(zone: str, records: Iterable[Mapping[str, Any]]) -> str:
    """Return the file."""
    lines = [f"$ORIGIN {zone}."]
    for record in sorted(records, key=lambda record: (record["type"], record["name"])):
        ttl = AUTOMATIC_TTL if record["ttl"] == AUTOMATIC_TTL else record["ttl"]
        lines.append(f"{record['name']}.\t{ttl}\tIN\t{record['type']}\t{_content(record)}")
    return "\n".join(lines) + "\n"


def _content(record: Mapping[str, Any]) -> str:
    content = plain_content(record)
    if record["type"] == "TXT":
        text = joined(record["content"]).replace("\\", "\\\\").replace('"', '\\"')
        return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text) or 1, 255))
    if record["type"] in HOSTS or record["type"] == "SRV":
        return content if content.endswith(".") else f"{content}."
    return content
