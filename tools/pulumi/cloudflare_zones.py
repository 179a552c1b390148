"""Converts zones between Pulumi's and Cloudflare's names; pure functions on plain values."""

from __future__ import annotations

from typing import Any

from tools.pulumi.cloudflare_records import camel, host_name, snake

INPUTS = ("account", "name", "paused", "type", "vanityNameServers")
FIXED = ("account", "name")
"""Properties whose change creates another zone."""


def mistakes(inputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (property, reason) for everything that Cloudflare would refuse."""
    return [(key, "is required") for key in ("account", "name") if not inputs.get(key)]


def changed_fields(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return the properties that differ; Cloudflare chooses those that the program does not set."""
    return [key for key in INPUTS if new.get(key) is not None and old.get(key) != new.get(key)]


def body(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the request body for a new zone."""
    fixed: dict[str, Any] = {key: inputs[key] for key in FIXED if key in inputs}
    return {**fixed, "type": inputs.get("type") or "full"}


def changes(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that an existing zone can be changed to."""
    changes = {
        key: inputs[key] for key in INPUTS if key not in FIXED and inputs.get(key) is not None
    }
    return dict(snake(changes))


def live_inputs(planned: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of the live zone; all of them when it is imported.

    A name stays as it was planned: Cloudflare writes `xn--…` in Unicode, and another name would
    replace the zone.
    """
    current = camel(live)
    if "name" in planned and host_name(current.get("name")) == host_name(planned["name"]):
        current["name"] = planned["name"]
    account = current.get("account") or {}
    current["account"] = {"id": account.get("id")}
    keys = tuple(planned) or ("account", "name", "type")
    return {key: current[key] for key in INPUTS if key in keys and current.get(key) is not None}


def state(inputs: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs: the non-empty fields of the API's response."""
    return {**{key: value for key, value in camel(live).items() if value is not None}, **inputs}
