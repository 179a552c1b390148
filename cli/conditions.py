"""Prints conditions: a mark, the type, and for a problem its reason and message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cli.api import Api
from cli.kinds import KINDS
from cli.terminal import wrapped
from controlplane.reconciler.schemas import ConditionTypeView, PhaseTable
from controlplane.tenants.schemas import ConditionView

MARKS = {"True": "✓", "False": "✗", "Unknown": "?"}
IN_PROGRESS = ("Reconciling", "Deleting")
TYPE_WIDTH = 20


def of_subject(
    conditions: Iterable[ConditionView], subject: str, type_: str
) -> ConditionView | None:
    """Return one condition."""
    return next((c for c in conditions if (c.subject, c.type) == (subject, type_)), None)


def sentence(condition: ConditionView) -> str:
    """Return reason and message; a reason that only repeats the type is left out."""
    reason = "" if condition.reason == condition.type else condition.reason
    return ": ".join(part for part in (reason, condition.message) if part)


@dataclass(frozen=True)
class Types:
    """The types of conditions that a control plane has, in the order of its phases."""

    order: tuple[str, ...]
    steps: tuple[str, ...]
    """One for each phase, in their order."""
    flags: frozenset[str]
    """Those that are usually False: only True is shown."""

    @classmethod
    def of(cls, listed: Sequence[ConditionTypeView]) -> Types:
        """Return the types that the API lists."""
        return cls(
            tuple(entry.type for entry in listed),
            tuple(entry.type for entry in listed if entry.phase is not None),
            frozenset(entry.type for entry in listed if entry.flag),
        )

    def mark(self, condition: ConditionView) -> str:
        """Return the mark of a condition; a flag that is True is not a success."""
        if condition.type not in self.flags:
            return MARKS[condition.status]
        if condition.status != "True":
            return " "
        return "…" if condition.type in IN_PROGRESS else "!"

    def text(self, condition: ConditionView) -> str:
        """Return the text of a condition; of one that is True, only its message."""
        holds = condition.status == "True" and condition.type not in self.flags
        return condition.message if holds else sentence(condition)

    def page(self, conditions: Iterable[ConditionView], *, everything: bool) -> Iterator[str]:
        """Yield the conditions of each subject: the tenant, then from hosts to mailboxes.

        Flags that are not True are left out unless `everything`.
        """
        subjects: dict[str, list[ConditionView]] = defaultdict(list)
        for condition in conditions:
            if everything or condition.type not in self.flags or condition.status == "True":
                subjects[condition.subject].append(condition)
        for subject in sorted(subjects, key=_rank):
            yield f"  {subject}"
            for condition in sorted(subjects[subject], key=self._position):
                yield self._line(condition, _others(condition, subjects[subject]))

    def _line(self, condition: ConditionView, others: Collection[str]) -> str:
        """Return one condition, wrapped; a summary does not repeat the message of its part."""
        head = f"    {self.mark(condition)} {condition.type:<{TYPE_WIDTH}}  "
        is_summary = condition.type not in self.steps and condition.message in others
        is_wrong = condition.status != "True"
        text = condition.reason if is_summary and is_wrong else self.text(condition)
        return wrapped(text, first=head, indent=" " * 8)

    def _position(self, condition: ConditionView) -> tuple[int, str]:
        type_ = condition.type
        return (self.order.index(type_) if type_ in self.order else len(self.order), type_)


def read_types(api: Api) -> Types:
    """Return the types of conditions that the control plane has."""
    return Types.of(api.get("/phases", PhaseTable).conditions)


def _others(condition: ConditionView, of_same_subject: Iterable[ConditionView]) -> set[str]:
    """Return the messages of the other conditions of a subject."""
    return {c.message for c in of_same_subject if c is not condition} - {""}


def _rank(subject: str) -> tuple[int, str]:
    kinds = [kind.name for kind in KINDS]
    kind = subject.partition("/")[0]
    return (kinds.index(kind) if kind in kinds else len(kinds), subject)
