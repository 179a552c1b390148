"""The table of phases: order, conditions and deletion derive from its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter

from controlplane.conditions.model import FLAGS, READY, SUMMARY, TENANT_READY
from controlplane.reconciler.subjects import Kind
from controlplane.schedule.schemas import Pool


@dataclass(frozen=True)
class Row:
    """The description of a phase, without its ports."""

    name: str
    condition: str
    """Type of the condition that reports the phase's progress."""
    about: str
    """What the condition means when it is True, one sentence."""
    subjects: frozenset[Kind]
    """Kinds with verdicts of their own; the tenant's is aggregated from these."""
    needs: tuple[str, ...] = ()
    """Phases whose verdict on a subject must be True before it is changed."""
    required: bool = True
    """Whether the tenant, and a part that has a verdict, is Ready only with this."""
    awaited: bool = True
    """Whether the next pass comes soon also while a person or a provider has to act first."""
    mail_flows: bool = False
    """Whether mail flows as soon as one of its subjects is True (condition Available)."""
    pool: Pool | None = None
    """Of the slot that a pass needs for its operations; None: they are short."""


@dataclass(frozen=True)
class ConditionType:
    """One type of condition, as lists show it."""

    type: str
    about: str
    subjects: tuple[Kind, ...]
    phase: str | None = None
    """Its phase; None: it aggregates others, or is a flag."""
    required: bool = False
    flag: bool = False
    """Whether its usual status is False."""


def ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return rows so that each comes after those that it needs, otherwise in the given order.

    Raises ValueError for a repeated name or condition, an unknown need and cyclic needs.
    """
    given = list(rows)
    for what in ("name", "condition"):
        names = [getattr(row, what) for row in given]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two phases have the {what} {', '.join(sorted(repeated))}")
    position = {row.name: number for number, row in enumerate(given)}
    if unknown := {need for row in given for need in row.needs} - position.keys():
        raise ValueError(f"there is no phase {', '.join(sorted(unknown))}")
    sorter = TopologicalSorter({row.name: row.needs for row in given})
    try:
        sorter.prepare()
    except CycleError as cycle:
        raise ValueError(f"phases need each other: {' -> '.join(cycle.args[1])}") from None
    done: list[Row] = []
    waiting: set[str] = set()
    while sorter.is_active():
        waiting |= set(sorter.get_ready())
        first = min(waiting, key=position.__getitem__)
        waiting.remove(first)
        done.append(given[position[first]])
        sorter.done(first)
    return tuple(done)


def condition_types(rows: Sequence[Row]) -> tuple[ConditionType, ...]:
    """Return all types of conditions: aggregates, then phase by phase, then flags."""
    kinds = tuple(Kind)
    types = [ConditionType(READY, TENANT_READY, kinds)]
    types += [ConditionType(type_, about, (Kind.TENANT,)) for type_, about in SUMMARY.items()]
    for row in ordered(rows):
        own = tuple(kind for kind in kinds if kind is Kind.TENANT or kind in row.subjects)
        types.append(ConditionType(row.condition, row.about, own, row.name, row.required))
    types += [
        ConditionType(type_, about, (Kind.TENANT,), flag=True) for type_, about in FLAGS.items()
    ]
    return tuple(types)


def types_of(rows: Iterable[Row], kind: Kind) -> tuple[str, ...]:
    """Return the types of conditions that a subject of this kind has."""
    return _types_of(tuple(rows), kind)


@cache
def _types_of(rows: tuple[Row, ...], kind: Kind) -> tuple[str, ...]:
    return tuple(type_.type for type_ in condition_types(rows) if kind in type_.subjects)
