"""API schemas of stops."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from blueprint.fields import NOT_BLANK, Matching, RuleBroken
from controlplane.events.reasons import Reason
from controlplane.faults import STOP_FORM, STOP_NAME, STOP_TENANT
from controlplane.schemas import Page
from sender.policy.providers import NAMES as PROVIDERS
from sender.schemas import CAMPAIGN, CAMPAIGN_REMEDY, QueueName, StopScope

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
    Field(max_length=254),
    Matching(NOT_BLANK, "write a name in one line, without control characters"),
]


class StopRequest(BaseModel):
    """Mail to stop or to start, and why.

    The platform has no `name`, everything else needs one; case does not matter in it.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    scope: StopScope
    name: Name | None = None
    """Of the tenant, the domain, the mailbox (the declared one that a From address counts as), the
    campaign, the queue (`high`, `normal` or `low`: priorities up to 50, up to 150, above), the
    receiving provider (`google`) or the address (`mx1-2`); the platform has none."""
    tenant: Name | None = None
    """Whose; required with an operator's key for a campaign or an address. Without it an operator
    stops a queue or a provider for all tenants."""
    reason: Reason

    @model_validator(mode="after")
    def _is_consistent(self) -> StopRequest:
        if (self.name is None) != (self.scope is StopScope.PLATFORM):
            raise RuleBroken(STOP_NAME, "name")
        if self.tenant is not None and self.scope in (StopScope.PLATFORM, StopScope.TENANT):
            raise RuleBroken(STOP_TENANT, "tenant")
        return self

    @model_validator(mode="after")
    def _names_what_can_be(self) -> StopRequest:
        name, remedy = self.name or "", None
        if self.scope is StopScope.QUEUE and name.lower() not in list(QueueName):
            remedy = f"use one of: {', '.join(QueueName)}"
        elif self.scope is StopScope.PROVIDER and name.lower() not in PROVIDERS:
            remedy = f"use one of: {', '.join(sorted(PROVIDERS))}"
        elif self.scope is StopScope.CAMPAIGN and not re.fullmatch(CAMPAIGN, name):
            remedy = CAMPAIGN_REMEDY
        if remedy is not None:
            raise RuleBroken(STOP_FORM, "name", scope=self.scope, name=name, remedy=remedy)
        return self


class StopView(BaseModel):
    """A stop that is in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    id: UUID
    scope: StopScope
    tenant: str | None
    """Null: the platform, or a queue or a provider for all tenants."""
    name: str | None
    """In lower case; null for the platform and a tenant."""
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
