"""`/api/v1/phases`: the table of phases, from which clients derive their lists of conditions."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request

from controlplane.identity.access import GuardedRoute, Reader
from controlplane.reconciler.schemas import ConditionTypeView, PhaseTable, PhaseView
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row, condition_types, ordered

router = APIRouter(tags=["phases"], route_class=GuardedRoute)


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
        conditions=[ConditionTypeView(**vars(type_)) for type_ in condition_types(rows)],
    )
