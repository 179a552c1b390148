"""API schemas of tenants."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from blueprint.tenant import Label, Tenant
from controlplane.conditions.model import Condition
from controlplane.events.reasons import Reason
from controlplane.schemas import Page

EXAMPLE = {
    "apiVersion": "penguinmails.dev/v1",
    "kind": "Tenant",
    "metadata": {"name": "acme"},
    "spec": {
        "plan": "business",
        "region": "us-west",
        "hosts": [
            {
                "name": "mx1",
                "size": "business",
                "addresses": 3,
                "zone": "acme.example",
                "mail": "none",
            }
        ],
        "domains": [{"name": "acme.example", "dns": "cloudflare", "dmarc": "none"}],
        "mailboxes": [{"address": "sales@acme.example", "daily_cap": 50}],
        "sending": {
            "warmup": "standard",
            "postal_address": "Acme Inc., 1 Main Street, Springfield",
        },
    },
}


EXAMPLE_RESPONSE: dict[str, Any] = {
    "id": "0199b1c2-0000-7000-8000-000000000000",
    "name": "acme",
    "generation": 2,
    "observed_generation": 2,
    "deleting": False,
    "paused": None,
    "monthly_cost_usd_cents": 4897,
    "created_at": "2026-11-24T12:00:00Z",
    "updated_at": "2026-11-24T12:05:00Z",
    "document": EXAMPLE,
    "conditions": [
        {
            "subject": "tenant",
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "",
            "observed_generation": 2,
            "last_transition_at": "2026-11-24T12:06:00Z",
        }
    ],
}
SERVER_GONE = "CloudServerGone"
"""Reason of the condition of a host whose server has ended at the provider."""
INTERVENTION: dict[str, Any] = {"reason": "the provider is being migrated"}


class ConditionView(BaseModel):
    """One condition."""

    subject: str
    type: str
    status: str
    reason: str
    message: str
    observed_generation: int
    last_transition_at: datetime


class PauseView(BaseModel):
    """Why a tenant is paused."""

    reason: str
    actor: str
    """Prefix of the API key of the request."""
    since: datetime


class TenantView(BaseModel):
    """A tenant: its document, and its observed state."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    id: UUID
    name: str
    generation: int
    observed_generation: int
    deleting: bool
    paused: PauseView | None
    monthly_cost_usd_cents: int
    """At the provider, by the operator's prices."""
    created_at: datetime
    updated_at: datetime
    document: Tenant
    conditions: list[ConditionView]


class Intervention(BaseModel):
    """Why an operator intervenes."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [INTERVENTION]})

    reason: Reason


class RetryRequest(BaseModel):
    """What of a retry costs money."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"buy_again": ["mx1"]}]}
    )

    buy_again: list[Label] = Field(
        default=[],
        max_length=100,
        description="hosts whose servers have ended at the provider, and are bought again; "
        "for operators",
    )


def hosts_without_server(
    document: Tenant, conditions: Iterable[Condition | ConditionView]
) -> set[str]:
    """Return the hosts of a document whose servers have ended at the provider."""
    subjects = {each.subject for each in conditions if each.reason == SERVER_GONE}
    return {host.name for host in document.spec.hosts if f"host/{host.name}" in subjects}


class TenantPage(Page[TenantView]):
    """Some tenants, by name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE_RESPONSE], "next": "acme"}]}
    )
