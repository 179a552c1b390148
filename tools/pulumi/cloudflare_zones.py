"""Zones between Pulumi's spelling and Cloudflare's; pure functions on plain values."""

from __future__ import annotations

from typing import Any

from tools.pulumi.cloudflare_records import camel, snake

INPUTS = ("account", "name", "paused", "type", "vanityNameServers")
FIXED = ("account", "name")
"""What cannot be changed: another one is another zone."""


def mistakes(inputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (property, reason) for everything that Cloudflare would refuse."""
    return [(key, "is required") for key in ("account", "name") if not inputs.get(key)]


def changed_fields(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return the properties that differ; what the program leaves open is Cloudflare's to choose."""
    return [key for key in INPUTS if new.get(key) is not None and old.get(key) != new.get(key)]


def body(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what a new zone is asked for with."""
    kept: dict[str, Any] = {key: inputs[key] for key in FIXED if key in inputs}
    return {**kept, "type": inputs.get("type") or "full"}


def changes(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that an existing zone can be changed to."""
    changes = {
        key: inputs[key] for key in INPUTS if key not in FIXED and inputs.get(key) is not None
    }
    return dict(snake(changes))


def live_inputs(planned: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that the live zone amounts to; all of them when it is imported."""
    seen = camel(live)
    account = seen.get("account") or {}
    seen["account"] = {"id": account.get("id")}
    wanted = tuple(planned) or ("account", "name", "type")
    return {key: seen[key] for key in INPUTS if key in wanted and seen.get(key) is not None}


def state(inputs: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs: what the API answers, without what it leaves empty."""
    return {**{key: value for key, value in camel(live).items() if value is not None}, **inputs}
