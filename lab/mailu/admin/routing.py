"""Routes: method and path to a handler, with what is verified before it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from lab.mailu.admin.application import Call
from lab.mailu.admin.bodies import Fields
from lab.mailu.admin.messages import Answer

API = "/api/v1"
Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Route:
    """One method of one path.

    `{name}` in a path is one part of it; `{name*}` may have slashes.
    """

    method: str
    path: str
    handler: Handler
    fields: Fields | None = None
    token: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def writes(self) -> bool:
        """Whether it may change an object."""
        return self.method != "GET"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path must look like."""
        parts = re.split(r"\{(\w+\*?)\}", self.path)
        for index in range(1, len(parts), 2):
            name = parts[index]
            parts[index] = f"(?P<{name[:-1]}>.+)" if name.endswith("*") else f"(?P<{name}>[^/]+)"
        literals = [re.escape(part) if not index % 2 else part for index, part in enumerate(parts)]
        return re.compile("".join(literals))


def api(
    method: str, path: str, handler: Handler, fields: Fields | None = None, *, token: bool = True
) -> Route:
    """Return a route of the API."""
    return Route(method, API + path, handler, fields, token)
