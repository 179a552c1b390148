"""Tables that fit the terminal, with a note of what was cut; in a pipe nothing is cut."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from cli.terminal import printable, terminal_width

GAP = "  "
SHORTEST = 10
"""Minimum width of a text that is cut, with its final `…`."""
TEXTS = {"message", "reason", "error_code", "from", "to", "subject", "helo", "state", "target"}
"""Columns that may be cut; names, ids and figures are shown in full."""


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows below a header, and on standard error a note of what was cut."""
    table = Table(columns, rows, terminal_width())
    print("\n".join(table.lines), flush=True)
    if table.note:
        print(table.note, file=sys.stderr, flush=True)


class Table:
    """Rows laid out for a width; None: no limit."""

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], limit: int | None
    ) -> None:
        self._limit = limit
        names = [column.rstrip("?") for column in columns]
        optional = [column.rstrip("?") for column in columns if column.endswith("?")]
        self._cells = {name: [_cell(row.get(name)) for row in rows] for name in names}
        self._widths = {name: _widest([name.upper(), *self._cells[name]]) for name in names}
        self._left_out: list[str] = []
        while optional and self._excess() > 0:
            self._leave_out(optional.pop())
        self._cut = self._shorten()
        while self._excess() > 0 and len(self._widths) > 1:
            self._leave_out(list(self._widths)[-1])

    @property
    def lines(self) -> list[str]:
        """The header and a line for each row."""
        header = self._line({name: _title(name) for name in self._widths})
        cells = (self._cells[name] for name in self._widths)
        rows = [dict(zip(self._widths, row, strict=True)) for row in zip(*cells, strict=True)]
        return [header, *(self._line(row) for row in rows)]

    @property
    def note(self) -> str:
        """Columns that are cut or left out; empty where none is."""
        parts = [
            f"{verb} {', '.join(map(_title, names))}"
            for verb, names in (("cut:", self._cut), ("left out:", self._left_out))
            if names
        ]
        return f"({'; '.join(parts)}; -o yaml shows everything)" if parts else ""

    def _excess(self) -> int:
        """Return by how many characters the table is too wide."""
        if self._limit is None:
            return 0
        return sum(self._widths.values()) + len(GAP) * (len(self._widths) - 1) - self._limit

    def _leave_out(self, name: str) -> None:
        del self._widths[name]
        self._left_out.append(name)

    def _shorten(self) -> list[str]:
        """Narrow the widest texts, one character at a time; return the columns that were cut."""
        before = dict(self._widths)
        while self._excess() > 0:
            texts = [name for name in self._widths if name in TEXTS]
            widest = max(texts, key=lambda name: self._widths[name], default=None)
            if widest is None or self._widths[widest] <= max(SHORTEST, len(widest)):
                break
            self._widths[widest] -= 1
        return [name for name in self._widths if self._widths[name] < before[name]]

    def _line(self, row: Mapping[str, str]) -> str:
        return GAP.join(fit(row[name], size) for name, size in self._widths.items()).rstrip()


def fit(text: str, size: int) -> str:
    """Return a text of exactly `size` terminal cells."""
    if cell_len(text) <= size:
        return set_cell_size(text, size)
    return set_cell_size(f"{set_cell_size(text, size - 1).rstrip()}…", size)


def _title(column: str) -> str:
    return column.replace("_", " ").upper()


def _widest(texts: Sequence[str]) -> int:
    return max(cell_len(text) for text in texts)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list | tuple):
        return printable(", ".join(map(str, value))) or "-"
    return printable(value)
