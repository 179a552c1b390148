"""Conditional requests (RFC 9110 section 13): an entity tag is the generation of a document.

It identifies what PUT replaces, the tenant's document with its labels. The rest of a tenant
(conditions, pause, cost) changes without it, so it is no validator for caches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from blueprint.fields import Text
from controlplane.faults import TENANT_MOVED
from controlplane.tenants.repository import TenantRow


def etag(generation: int) -> str:
    """Return the entity tag of a generation."""
    return f'"{generation}"'


@dataclass(frozen=True)
class Precondition:
    """The preconditions of a request on the tenant that it changes; None: no condition."""

    if_match: str | None
    if_none_match: str | None

    def check(self, name: str, row: TenantRow | None) -> None:
        """Refuse the request when the tenant is not in the expected state."""
        tag = None if row is None else etag(row.generation)
        state = "missing" if row is None else f"at generation {row.generation}"
        if self.if_match is not None and not _lists(self.if_match, tag):
            raise TENANT_MOVED(name=name, state=state, header="If-Match")
        # This header compares weakly: W/"3" is "3".
        if self.if_none_match is not None and _lists(self.if_none_match.replace("W/", ""), tag):
            raise TENANT_MOVED(name=name, state=state, header="If-None-Match")


def _lists(header: str, tag: str | None) -> bool:
    tags = {part.strip() for part in header.split(",")}
    return tag is not None and (tag in tags or "*" in tags)


def _precondition(
    if_match: Annotated[
        Text | None, Header(description="only at this generation", examples=['"3"'])
    ] = None,
    if_none_match: Annotated[
        Text | None, Header(description="`*`: only create", examples=["*"])
    ] = None,
) -> Precondition:
    return Precondition(if_match, if_none_match)


Expected = Annotated[Precondition, Depends(_precondition)]
