"""API schemas of limits on purchases."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from blueprint.fields import Whole
from controlplane.events.reasons import Reason
from controlplane.schemas import Page

EXAMPLE: dict[str, Any] = {
    "scope": "tenant",
    "tenant": "acme",
    "monthly_usd_cents": 50000,
    "orders_a_day": None,
    "reason": "a pilot with ten hosts",
    "actor": "pm_live_3fK9aQ2z",
    "since": "2026-11-24T12:00:00Z",
}
CHANGE: dict[str, Any] = {"monthly_usd_cents": 50000, "reason": EXAMPLE["reason"]}
Number = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000), Whole]


class WideScope(StrEnum):
    """What is not one tenant."""

    PLATFORM = "platform"
    """All servers together."""
    TENANTS = "tenants"
    """Those of each tenant that has no limit of its own."""


class LimitScope(StrEnum):
    """What a limit holds for."""

    PLATFORM = "platform"
    TENANTS = "tenants"
    TENANT = "tenant"


class LimitChange(BaseModel):
    """Limits to set, and why. One that is left out stays, null removes it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [CHANGE]},
        use_attribute_docstrings=True,
    )

    monthly_usd_cents: Number | None = None
    """What servers may cost in a month, in US cents."""
    orders_a_day: Number | None = None
    """How many servers may be ordered within 24 hours."""
    reason: Reason


class WideLimitChange(LimitChange):
    """Limits to set on the platform or on each tenant, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"scope": "platform", **CHANGE}]}
    )

    scope: WideScope


class LimitView(BaseModel):
    """What purchases are limited to."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE]}, use_attribute_docstrings=True
    )

    scope: LimitScope
    tenant: str | None
    """Null but for a tenant."""
    monthly_usd_cents: int | None
    """Null: not limited, or as that of each tenant."""
    orders_a_day: int | None
    reason: str | None
    """Of the last change; null where nothing is limited."""
    actor: str | None
    """Prefix of the API key of the request."""
    since: datetime | None


class LimitPage(Page[LimitView]):
    """Some limits: those of the platform and of each tenant, then those of tenants by name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE], "next": None}]})
