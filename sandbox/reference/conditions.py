"""The page of phases and conditions, printed from the table."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.reconciler.table import Row, condition_types, ordered

HEAD = """# Phases and conditions

The reconciler runs these phases in this order for every tenant; a deletion runs them backwards.
A phase does nothing to a subject before the phases that it needs are done with it, and one that
fails delays only what needs it. `GET /api/v1/phases` answers with the same table.

| Phase | Condition | Subjects | Needs | Ready needs it |
|---|---|---|---|---|
"""
CONDITIONS = """
## Conditions

A flag is usually False, every other condition becomes True.

| Type | Subjects | Meaning when True |
|---|---|---|
"""


def page(rows: Sequence[Row]) -> str:
    """List phases and types of conditions."""
    text = HEAD
    for row in ordered(rows):
        kinds = ", ".join(sorted(row.subjects))
        needs = ", ".join(row.needs) or "-"
        required = "yes" if row.required else "no"
        text += f"| `{row.name}` | `{row.condition}` | {kinds} | {needs} | {required} |\n"
    text += CONDITIONS
    for condition in condition_types(rows):
        flag = " (flag)" if condition.flag else ""
        kinds = ", ".join(condition.subjects)
        text += f"| `{condition.type}`{flag} | {kinds} | {condition.about} |\n"
    return text
