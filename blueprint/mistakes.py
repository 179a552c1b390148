"""Mistakes in a document: all of them at once, each with place, reason and remedy."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and indices from the top of a document: `("spec", "hosts", 0, "size")`."""


def dotted(path: Path) -> str:
    """Print a path as operators write it: `spec.hosts[0].size`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


@dataclass(frozen=True)
class Mistake:
    """One thing to mend. `file`, `line` and `column` (from 1) are None for a request's body."""

    code: str
    message: str
    remedy: str
    path: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    suggestion: str | None = None

    @property
    def where(self) -> str:
        """Print the place: `tenants/acme.yaml:7:5 spec.hosts[0].sice`."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place} {self.path}".strip()


class DocumentError(Exception):
    """A document cannot be used; `mistakes` holds every reason."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(f"{m.where}: {m.message}" for m in mistakes))
        self.mistakes = mistakes
