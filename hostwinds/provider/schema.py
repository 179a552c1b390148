"""The provider's Pulumi schema, generated from the resources."""

from __future__ import annotations

import json
from typing import Any

from hostwinds import VERSION
from hostwinds.provider.resources import RESOURCES, Resource

TYPES: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    list: {"type": "array", "items": {"type": "string"}},
}


def schema() -> str:
    """Return the schema as JSON (pulumi.com/docs, package schema)."""
    document: dict[str, Any] = {
        "name": "hostwinds",
        "version": VERSION,
        "description": "Hostwinds Cloud: VPS, addresses, reverse DNS and firewall profiles.",
        "license": "Apache-2.0",
        "config": {"variables": {}},
        "provider": {"description": "Configured by environment variables only."},
        "resources": {token: _resource(resource) for token, resource in RESOURCES.items()},
        "language": {"python": {"packageName": "hostwinds"}},
    }
    return json.dumps(document)


def _resource(resource: Resource) -> dict[str, Any]:
    inputs = {name: _property(resource, name, kind) for name, kind in resource.inputs.items()}
    outputs = {name: TYPES[kind] for name, kind in resource.outputs.items()}
    return {
        "description": (type(resource).__doc__ or "").strip(),
        "inputProperties": inputs,
        "requiredInputs": list(inputs),
        "properties": {**inputs, **outputs},
        "required": [*inputs, *outputs],
    }


def _property(resource: Resource, name: str, kind: type) -> dict[str, Any]:
    described = dict(TYPES[kind])
    if name in resource.replacing:
        described["replaceOnChanges"] = True
    return described
