"""Watches a list: the rows that are there, then each that comes, changes or goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import yaml

from cli.kinds import Kind
from cli.output import Format
from cli.table import Table
from cli.terminal import terminal_width

POLL = 1.0

Row = dict[str, Any]


def watch(read: Callable[[], list[Row]], kind: Kind, output: Format) -> None:
    """Print until interrupted; JSON is one line for each row, as of `events --follow`."""
    seen: dict[tuple[Any, ...], Row] = {}
    is_first = True
    while True:
        rows = {_key(row): row for row in read()}
        changed = {
            key: row for key, row in rows.items() if _lasting(row) != _lasting(seen.get(key, {}))
        }
        _print(list(changed.values()), kind, output, with_header=is_first)
        for key in seen.keys() - rows.keys():
            _print_gone(seen[key], kind, output)
        seen, is_first = rows, False
        time.sleep(POLL)


def _key(row: Row) -> tuple[Any, ...]:
    return (row.get("tenant"), row.get("id") or row.get("name"))


def _lasting(row: Row) -> Row:
    """Return what is news when it differs: not the age."""
    return {key: value for key, value in row.items() if key != "age"}


def _print(rows: list[Row], kind: Kind, output: Format, *, with_header: bool) -> None:
    if output is Format.TABLE:
        lines = Table(kind.columns, rows, terminal_width()).lines
        for line in lines if with_header else lines[1:]:
            print(line, flush=True)
        return
    for row in rows:
        print(_document(row, output), flush=True)


def _print_gone(row: Row, kind: Kind, output: Format) -> None:
    name = row.get("name") or row.get("id")
    if output is Format.TABLE:
        print(f"{kind.name}/{name} is gone", flush=True)
    else:
        print(_document({"kind": kind.name, "name": name, "outcome": "gone"}, output), flush=True)


def _document(row: Row, output: Format) -> str:
    if output is Format.JSON:
        return json.dumps(row, ensure_ascii=False)
    return f"---\n{yaml.safe_dump(row, sort_keys=False, allow_unicode=True)}".rstrip()
