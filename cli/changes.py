"""Differences between two documents, or two blueprints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blueprint.document import Blueprint

NAMES = ("name", "address")
"""Keys that identify the items of a list, so that a new order is no change."""


@dataclass(frozen=True)
class Change:
    """Something that is added (`before` None), removed (`after` None) or changed."""

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
    """Yield a change for each resource of a kind that is added, removed or changed."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Change(f"{kind} {name}", old, new)


def of_blueprints(before: Blueprint | None, after: Blueprint) -> Iterator[Change]:
    """Yield the changes of hosts, addresses and records."""
    left, right = _resources(before), _resources(after)
    for kind in right:
        yield from of_named(kind, left[kind], right[kind])


def _resources(blueprint: Blueprint | None) -> dict[str, dict[str, dict[str, Any]]]:
    hosts = blueprint.hosts if blueprint else ()
    return {
        "host": {host.name: host.model_dump(mode="json", exclude={"addresses"}) for host in hosts},
        "address": {
            address.name: {"host": host.name, **address.model_dump(mode="json")}
            for host in hosts
            for address in host.addresses
        },
        "record": {
            record.key: record.model_dump(mode="json")
            for record in (blueprint.records if blueprint else ())
        },
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
