"""API schemas of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from blueprint.tenant import Label
from controlplane.identity.keys import Scope
from controlplane.schemas import Page

EXAMPLE: dict[str, Any] = {"tenant": "acme", "scopes": ["messages:read", "messages:send"]}
EXAMPLE_RESPONSE: dict[str, Any] = EXAMPLE | {
    "prefix": "pm_live_3fK9aQ2z",
    "created_at": "2026-11-24T12:10:00Z",
}


class KeyRequest(BaseModel):
    """A key to create; its scopes are among those of the key that creates it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    tenant: Label | None
    """Null: an operator's key."""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]


class KeyView(BaseModel):
    """A key that is in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    prefix: str
    """The part of the key that is stored in clear; events contain it as their actor."""
    tenant: str | None
    """Null: an operator's key."""
    scopes: list[Scope]
    created_at: datetime


class NewKeyView(KeyView):
    """A key that was just created."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE_RESPONSE | {"key": "pm_live_3fK9aQ2z…"}]}
    )

    key: str
    """Shown only now: a hash of it is stored."""


class KeyPage(Page[KeyView]):
    """Some keys, by prefix."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )
