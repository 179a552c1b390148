"""What differs between two documents, or two blueprints, thing by thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NAMES = ("name", "address")
"""Keys that tell the items of a list apart, so that a new order is no change."""


@dataclass(frozen=True)
class Change:
    """One thing that is added (`before` None), removed (`after` None) or changed."""

    what: str
    before: Any
    after: Any


def of_documents(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """Yield a change for each key path that differs: `spec.hosts[mx1].addresses`."""
    left, right = _children(before), _children(after)
    if left is None or right is None or (isinstance(before, list) != isinstance(after, list)):
        if before != after:
            yield Change(path, before, after)
        return
    for key in [*left, *(key for key in right if key not in left)]:
        step = f"[{key}]" if isinstance(after, list) else f".{key}" if path else key
        yield from of_documents(left.get(key), right.get(key), f"{path}{step}")


def of_named(
    kind: str, before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]
) -> Iterator[Change]:
    """Yield a change for each thing of a kind that comes, goes or differs."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Change(f"{kind} {name}", old, new)


def of_blueprints(before: dict[str, Any] | None, after: dict[str, Any]) -> Iterator[Change]:
    """Yield what a new blueprint does to hosts, addresses and records."""
    left, right = _things(before), _things(after)
    for kind in right:
        yield from of_named(kind, left[kind], right[kind])


def _things(plan: dict[str, Any] | None) -> dict[str, dict[str, dict[str, Any]]]:
    hosts = plan["hosts"] if plan else []
    return {
        "host": {
            host["name"]: {key: value for key, value in host.items() if key != "addresses"}
            for host in hosts
        },
        "address": {
            address["name"]: {"host": host["name"], **address}
            for host in hosts
            for address in host["addresses"]
        },
        "record": {record["key"]: record for record in (plan["records"] if plan else [])},
    }


def _children(value: Any) -> dict[str, Any] | None:
    """Return the parts of a mapping, or of a list whose items have names."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        return None
    for key in NAMES:
        if all(isinstance(item, dict) and key in item for item in value):
            return {str(item[key]): item for item in value}
    return None
