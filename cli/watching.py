"""Watches a list or a resource: prints its current state, then every change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from cli.environment import environment
from cli.kinds import Kind
from cli.lists import row_of
from cli.output import Format, print_item
from cli.table import Table
from cli.terminal import terminal_width

POLL = 1.0
"""Seconds between two requests."""
M = TypeVar("M", bound=BaseModel)


def watch_list(read: Callable[[], Sequence[BaseModel]], kind: Kind, output: Format) -> None:
    """Print rows that are added, changed or removed, until interrupted."""
    seen: dict[Hashable, BaseModel] = {}
    is_first = True
    while True:
        items = {_key(item): item for item in read()}
        changed = [item for key, item in items.items() if item != seen.get(key)]
        _print(changed, kind, output, with_header=is_first)
        for key in seen.keys() - items.keys():
            _print_gone(seen[key], kind, output)
        seen, is_first = items, False
        environment().sleep(POLL)


def watch_one(read: Callable[[], M], show: Callable[[M], None]) -> None:
    """Show a document, and again each time it has changed, until interrupted."""
    shown: M | None = None
    while True:
        document = read()
        if document != shown:
            show(document)
        shown = document
        environment().sleep(POLL)


def _key(item: BaseModel) -> Hashable:
    return (getattr(item, "tenant", None), getattr(item, "id", None) or _name(item))


def _name(item: BaseModel) -> str:
    return str(getattr(item, "name", None) or getattr(item, "id", ""))


def _print(items: Sequence[BaseModel], kind: Kind, output: Format, *, with_header: bool) -> None:
    if output is not Format.TABLE:
        for item in items:
            print_item(item, output)
        return
    lines = Table(kind.columns, [row_of(item) for item in items], terminal_width()).lines
    for line in lines if with_header else lines[1:]:
        print(line, flush=True)


def _print_gone(item: BaseModel, kind: Kind, output: Format) -> None:
    if output is Format.TABLE:
        print(f"{kind.name}/{_name(item)} is gone", flush=True)
    else:
        print_item({"kind": kind.name, "name": _name(item), "outcome": "gone"}, output)
