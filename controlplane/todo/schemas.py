"""API schemas of required actions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from controlplane.schemas import Page
from kit.faults import Actor

EXAMPLE: dict[str, Any] = {
    "tenant": "acme",
    "subject": "address/mx1-2",
    "condition": "InfrastructureReady",
    "reason": "WaitingForProvider",
    "message": "not bought in the provider's portal yet",
    "acts": "operator",
    "remedy": "buy an address for server 1001 (k3f9a-acme-mx1-3f9a2c71be) in the provider's "
    "portal; it is adopted automatically",
    "since": "2026-11-24T12:06:00Z",
    "stalls": False,
}


class TodoView(BaseModel):
    """One required action."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE]}, use_attribute_docstrings=True
    )

    tenant: str
    subject: str
    condition: str
    """Type of the condition that it would change."""
    reason: str
    message: str
    acts: Actor
    """Who has to act: the author of the document, an operator, or a provider."""
    remedy: str
    """What to do."""
    since: datetime
    stalls: bool
    """Whether its tenant is stalled by it, and needs `penguin retry` or an apply after it."""


class TodoPage(Page[TodoView]):
    """Required actions, by tenant in the order of their creation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [EXAMPLE],
                    "next": "0199b1c2-0000-7000-8000-000000000000/address/mx1-2/"
                    "InfrastructureReady",
                }
            ]
        }
    )
