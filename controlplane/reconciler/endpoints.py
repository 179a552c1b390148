"""`/api/v1/phases`: the table of phases, from which clients derive their lists of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from controlplane.identity.access import GuardedRoute, Reader
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row, condition_types, ordered

router = APIRouter(tags=["phases"], route_class=GuardedRoute)
SHOWN: dict[str, Any] = {
    "phases": [
        {
            "name": "keys",
            "condition": "KeysReady",
            "about": "all keys of the tenant are made",
            "subjects": ["tenant"],
            "needs": [],
            "required": True,
        }
    ],
    "conditions": [
        {
            "type": "KeysReady",
            "about": "all keys of the tenant are made",
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
    """Type of the condition that says how far it is."""
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
    """What it says when it is True."""
    subjects: list[Kind]
    phase: str | None
    required: bool
    flag: bool
    """Whether its usual status is False."""


class PhaseTable(BaseModel):
    """All phases in the order in which they run, and all types of conditions."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN]})

    phases: list[PhaseView]
    conditions: list[ConditionTypeView]


@router.get("/phases")
async def list_phases(request: Request, access: Reader) -> PhaseTable:
    """List the reconciler's phases, and the conditions that tenants and their parts have."""
    del access
    rows: Sequence[Row] = request.app.state.phases
    return PhaseTable(
        phases=[
            PhaseView(
                name=row.name,
                condition=row.condition,
                about=row.about,
                subjects=[kind for kind in Kind if kind in row.subjects],
                needs=list(row.needs),
                required=row.required,
            )
            for row in ordered(rows)
        ],
        conditions=[ConditionTypeView(**vars(one)) for one in condition_types(rows)],
    )
