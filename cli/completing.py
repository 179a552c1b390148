"""Shell completion: kinds, and names of resources of the control plane."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from cli.api import connect
from cli.kinds import BY_WORD, EVENT, KEY, KINDS, MESSAGE, PURCHASE, STOP, TENANT, Kind
from kit.faults import Fault

UNNAMED = (EVENT, KEY, MESSAGE, PURCHASE, STOP)
"""Kinds whose names are not completed: ids, or names that the control plane does not have."""


def kinds(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete `KIND`, `KIND/NAME` and `KIND NAME`; a kind alone means all of it."""
    return _complete(_before(ctx), incomplete, [kind.plural for kind in KINDS])


def resources(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete `KIND/NAME` and `KIND NAME`."""
    return _complete(_before(ctx), incomplete, [f"{kind.name}/" for kind in KINDS])


def tenants(incomplete: str) -> list[str]:
    """Complete a tenant's name, with or without `tenant/` before it."""
    head, slash, prefix = incomplete.rpartition("/")
    return [f"{head}{slash}{name}" for name in _names(TENANT) if name.startswith(prefix)]


def _before(ctx: typer.Context) -> Sequence[str]:
    """Return the words before the one that is completed."""
    given = (value for value in ctx.params.values() if isinstance(value, list | tuple))
    return next(given, ())


def _complete(before: Sequence[str], incomplete: str, suggestions: Sequence[str]) -> list[str]:
    if before:
        kind = BY_WORD.get(before[0])
        return [name for name in _names(kind) if name.startswith(incomplete)] if kind else []
    word, slash, prefix = incomplete.partition("/")
    if not slash:
        return [text for text in suggestions if text.startswith(word)]
    kind = BY_WORD.get(word)
    return [f"{word}/{name}" for name in _names(kind) if name.startswith(prefix)] if kind else []


def _names(kind: Kind) -> list[str]:
    """Return the names of a kind; none when no control plane answers."""
    if kind in UNNAMED:
        return []
    try:
        resources = list(connect().pages(f"/{kind.plural}", kind.page))
    except Fault:
        return []
    return [str(getattr(item, "name", None) or item.id) for item in resources]
