"""API schemas of phases and types of conditions."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from controlplane.reconciler.subjects import Kind

EXAMPLE_RESPONSE: dict[str, Any] = {
    "phases": [
        {
            "name": "keys",
            "condition": "KeysReady",
            "about": "all keys of the tenant exist",
            "subjects": ["tenant"],
            "needs": [],
            "required": True,
        }
    ],
    "conditions": [
        {
            "type": "KeysReady",
            "about": "all keys of the tenant exist",
            "subjects": ["tenant"],
            "phase": "keys",
            "required": True,
            "flag": False,
        }
    ],
}


class PhaseView(BaseModel):
    """One phase of the reconciler."""

    name: str
    condition: str
    """Type of the condition that reports its progress."""
    about: str
    subjects: list[Kind]
    needs: list[str]
    """Phases that come before it."""
    required: bool
    """Whether a tenant is Ready only with it."""


class ConditionTypeView(BaseModel):
    """One type of condition, in the order in which lists show them."""

    type: str
    about: str
    """What it means when it is True."""
    subjects: list[Kind]
    phase: str | None
    required: bool
    flag: bool
    """Whether its usual status is False."""


class PhaseTable(BaseModel):
    """All phases in the order in which they run, and all types of conditions."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    phases: list[PhaseView]
    conditions: list[ConditionTypeView]
