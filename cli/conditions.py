"""How conditions are shown: a mark, the type, and what is known; all is well needs no words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from cli.api import Api
from cli.kinds import KINDS
from cli.terminal import wrapped

Condition = dict[str, Any]

FLAGS = ("Reconciling", "Stalled", "Drifted", "Paused", "Deleting")
"""Conditions that are usually False; only True is news."""
MARKS = {"True": "✓", "False": "✗", "Unknown": "?"}
FLAG_MARKS = {"Reconciling": "…", "Deleting": "…"}
TYPE_WIDTH = 20


def of_subject(conditions: Iterable[Condition], subject: str, type_: str) -> Condition | None:
    """Return one condition."""
    return next((c for c in conditions if (c["subject"], c["type"]) == (subject, type_)), None)


def visible(conditions: Iterable[Condition], *, everything: bool = False) -> list[Condition]:
    """Return what a person has to see: of the flags only those that are raised."""
    return [c for c in conditions if everything or c["type"] not in FLAGS or c["status"] == "True"]


def mark(condition: Condition) -> str:
    """Return the sign of a condition: a raised flag is no success."""
    if condition["type"] not in FLAGS:
        return MARKS[condition["status"]]
    return FLAG_MARKS.get(condition["type"], "!") if condition["status"] == "True" else " "


def sentence(condition: Condition) -> str:
    """Return reason and message, without a colon before nothing.

    The reason of a condition that holds says nothing that its type does not say.
    """
    holds = condition["status"] == "True" and condition["type"] not in FLAGS
    reason = "" if holds or condition["reason"] == condition["type"] else condition["reason"]
    return ": ".join(part for part in (reason, condition["message"]) if part)


def line(condition: Condition, *, first: str) -> str:
    """Return one condition for a person, wrapped to the terminal."""
    head = f"{first}{mark(condition)} {condition['type']:<{TYPE_WIDTH}}  "
    return wrapped(sentence(condition), first=head, indent=" " * (len(first) + 4))


def types_of(api: Api) -> list[dict[str, Any]]:
    """Return the types of conditions that the control plane has, in the order of its phases."""
    found: list[dict[str, Any]] = api.get("/phases")["conditions"]
    return found


def steps_of(api: Api) -> list[str]:
    """Return the types of conditions that come true one after the other."""
    return [str(one["type"]) for one in types_of(api) if one["phase"] is not None]


def page(
    conditions: Iterable[Condition], order: Sequence[str] = (), *, everything: bool = False
) -> Iterator[str]:
    """Yield the conditions of each subject: the tenant, then from hosts to mailboxes.

    `order` holds the types of conditions as the control plane lists them.
    """
    subjects: dict[str, list[Condition]] = defaultdict(list)
    for condition in visible(conditions, everything=everything):
        subjects[condition["subject"]].append(condition)
    for subject in sorted(subjects, key=_rank):
        yield f"  {subject}"
        for condition in sorted(subjects[subject], key=partial(_place, order)):
            yield line(condition, first="    ")


def _rank(subject: str) -> tuple[int, str]:
    kinds = [kind.name for kind in KINDS]
    kind = subject.partition("/")[0]
    return (kinds.index(kind) if kind in kinds else len(kinds), subject)


def _place(order: Sequence[str], condition: Condition) -> tuple[int, str]:
    type_ = condition["type"]
    return (order.index(type_) if type_ in order else len(order), type_)
