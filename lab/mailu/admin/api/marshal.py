"""How objects are shown: lists leave null fields out and obey `X-Fields`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from lab.mailu.admin.application import Call
from lab.mailu.admin.masks import wanted
from lab.mailu.admin.messages import Answer, shown

Item = TypeVar("Item")
View = Mapping[str, Callable[[Item], Any]]


def one(view: View[Item], item: Item) -> dict[str, Any]:
    """Return an object with all its fields."""
    return {name: show(item) for name, show in view.items()}


def listed(call: Call, view: View[Item], items: Iterable[Item]) -> Answer:
    """Answer with a list."""
    is_wanted = wanted(call.request.headers.get("X-Fields"))
    chosen = {name: show for name, show in view.items() if is_wanted(name)}
    rows = []
    for item in items:
        call.go_on()
        row = one(chosen, item)
        rows.append({name: value for name, value in row.items() if value is not None})
    return shown(rows)
