"""Brings the API's several answer shapes to one; tolerant of misprints, strict about failure."""

from __future__ import annotations

import json
from typing import Any

from hostwinds.errors import Refused, Unauthorized, Unreachable

SECRET_FIELDS = ("password", "configkey")
"""Fields of an instance that never leave this package."""


def payload(text: str, action: str) -> Any:
    """Return what a call answered: a list, an object, True, or the steps of a change.

    Raises Unauthorized, Refused (any step with `error` fails the whole call) or Unreachable (not
    JSON). Messages are matched by lower-cased fragments, since they hold markup and misprints.
    """
    try:
        answer = json.loads(text)
    except ValueError:
        raise Unreachable(f"{action}: the answer is not JSON") from None
    if isinstance(answer, dict) and "success" in answer:
        return answer["success"]
    for step in answer if isinstance(answer, list) else [answer]:
        if isinstance(step, dict) and str(step.get("result", "")).lower() == "error":
            message = str(step.get("message", "no explanation")).replace("<br>", " ").strip()
            if "not authorized" in message.lower():
                raise Unauthorized(f"Hostwinds refuses the API key: {message}")
            raise Refused(f"{action}: {message}")
    return answer


def redacted(instance: dict[str, Any]) -> dict[str, Any]:
    """Return an instance without its root password and configuration key."""
    return {key: value for key, value in instance.items() if key not in SECRET_FIELDS}
