"""SQL in files: `queries.sql` beside the code that runs it, each query below `-- name: …`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

Query = TypeVar("Query")

HEAD = re.compile(r"^-- (name|part): (.*)$", re.MULTILINE)
COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)


class Queries(Generic[Query]):
    """The queries of one file as attributes: `SQL = Queries(__file__, text)`, then `SQL.claim`.

    A fragment that several queries share is defined once below `-- part: …` and inserted for `{…}`.
    Comments are removed: a `:word` in them is no parameter.
    """

    def __init__(self, module: str, prepare: Callable[[str], Query]) -> None:
        self._file = Path(module).with_name("queries.sql")
        self._queries: dict[str, Query] = {}
        parts: dict[str, str] = {}
        before, *sections = HEAD.split(self._file.read_text())
        if COMMENT.sub("", before).strip():
            raise ValueError(f"{self._file}: SQL before the first name")
        for kind, name, content in zip(*(sections[i::3] for i in range(3)), strict=True):
            if not name.isidentifier() or name in self._queries or name in parts:
                raise ValueError(
                    f"{self._file}: {name!r} is not an identifier, or is defined twice"
                )
            query = COMMENT.sub("", content).strip()
            for part, shared in parts.items():
                query = query.replace(f"{{{part}}}", shared)
            if kind == "part":
                parts[name] = query
            else:
                self._queries[name] = prepare(query)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._queries)

    def __getattr__(self, name: str) -> Query:
        """Return a query."""
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"{self._file} has no query {name!r}") from None
