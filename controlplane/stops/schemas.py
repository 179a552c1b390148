"""API schemas of stops."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from blueprint.fields import Matching, RuleBroken
from controlplane.events.reasons import Reason
from controlplane.faults import STOP_NAME, STOP_TENANT
from controlplane.schemas import Page
from sender.schemas import StopScope

EXAMPLE: dict[str, Any] = {
    "scope": "domain",
    "name": "acme.example",
    "reason": "complaints about the campaign of Monday",
}
EXAMPLE_RESPONSE: dict[str, Any] = {
    "id": "0199b1c2-0000-7000-8000-000000000002",
    "scope": "domain",
    "tenant": "acme",
    "name": "acme.example",
    "reason": EXAMPLE["reason"],
    "actor": "pm_live_3fK9aQ2z",
    "by_operator": True,
    "since": "2026-11-24T12:10:00Z",
}


Name = Annotated[
    str,
    Field(max_length=253),
    Matching(r"^[A-Za-z0-9.-]+$", "write the name of a tenant, domain or address"),
]


class StopRequest(BaseModel):
    """Mail to stop or to start, and why.

    The platform has no `name`, everything else needs one; `tenant` goes with an address only.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    scope: StopScope
    name: Name | None = None
    """Of the tenant, the domain or the address (`mx1-2`); the platform has none."""
    tenant: Name | None = None
    """The tenant of the address; required with an operator's key."""
    reason: Reason

    @model_validator(mode="after")
    def _is_consistent(self) -> StopRequest:
        if (self.name is None) != (self.scope is StopScope.PLATFORM):
            raise RuleBroken(STOP_NAME, "name")
        if self.tenant is not None and self.scope is not StopScope.ADDRESS:
            raise RuleBroken(STOP_TENANT, "tenant")
        return self


class StopView(BaseModel):
    """A stop that is in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    id: UUID
    scope: StopScope
    tenant: str | None
    """Null: the platform."""
    name: str | None
    """Of the domain or the address."""
    reason: str
    actor: str
    """Prefix of the API key of the request."""
    by_operator: bool
    """True: only an operator can start it."""
    since: datetime


class StopPage(Page[StopView]):
    """Some stops, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": None}]}
    )


class Started(BaseModel):
    """The result of a start."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"changed": True, "stops": [EXAMPLE_RESPONSE]}]}
    )

    changed: bool
    """False where nothing was stopped."""
    stops: list[StopView]
    """Stops that still hold back its mail, or part of it."""
