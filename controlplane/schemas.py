"""Schemas of all endpoints: pages of lists, and problems."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel

from kit.faults import Actor

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Some items of a list."""

    items: list[Item]
    next: str | None
    """Cursor of the page that follows; null at the end."""


class ProblemViolation(BaseModel):
    """One of several reasons why an input is refused."""

    code: str
    detail: str
    remedy: str
    path: str
    """Path in the body: `spec.hosts[0].size`."""
    suggestion: str | None = None


class ProblemDocument(BaseModel):
    """The body of every error response (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    retryable: bool
    """Whether the same request can succeed later."""
    acts: Actor
    """Who has to act before it can."""
    violations: list[ProblemViolation] = []
