"""Parses the API's response formats; tolerates malformed JSON, and is strict about failures."""

from __future__ import annotations

import json
import re
from typing import Any

from hostwinds.faults import OUTCOME_UNKNOWN, REFUSED, UNAUTHORIZED, UNREACHABLE

MISPRINT = re.compile(r'^\s*\{\s*"success"\s*=')
"""`{"success" = true}`, as the documentation prints it."""
MARKUP = re.compile(r"\s*<[^>]*>\s*")
FORBIDDEN = "not authorized"


def payload(text: str, action: str) -> Any:
    """Return the result of a call: a list, an object, True, or the steps of a change.

    Raises UNAUTHORIZED, REFUSED, OUTCOME_UNKNOWN (an error after a step that was
    done) or UNREACHABLE (not JSON). Messages are matched by lower-cased fragments, since they
    contain markup and misprints.
    """
    try:
        answer = json.loads(MISPRINT.sub('{"success":', text, count=1))
    except ValueError:
        if FORBIDDEN in text.lower():
            raise UNAUTHORIZED(reason="Not Authorized") from None
        raise UNREACHABLE(action=action, reason="the answer is not JSON") from None
    if isinstance(answer, dict) and "success" in answer:
        if answer["success"] is False:
            raise REFUSED(action=action, reason="no reason was given")
        return answer["success"]
    done: list[str] = []
    for step in answer if isinstance(answer, list) else [answer]:
        _check_step(step, action, done)
    return answer


def succeeded(answer: Any) -> bool:
    """Return whether the payload of a change says that it was accepted."""
    if isinstance(answer, list):
        return any(_result(step) == "success" for step in answer)
    return bool(answer)


def objects(answer: Any, action: str) -> list[dict[str, Any]]:
    """Return a listing's objects, from a list or from an object that contains them by number.

    Raises UNREACHABLE for anything else: an unexpected answer must not be read as an empty account.
    """
    items = list(answer.values()) if isinstance(answer, dict) else answer
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UNREACHABLE(action=action, reason="the answer is not a list of objects")
    return items


def _check_step(step: Any, action: str, done: list[str]) -> None:
    """Add a successful step to `done`; raise for a failed one."""
    text = str(step.get("message", "")) if isinstance(step, dict) else ""
    message = MARKUP.sub(" ", text).strip(" .!")
    if FORBIDDEN in message.lower():
        raise UNAUTHORIZED(reason=message)
    if _result(step) == "success":
        done.append(str(step.get("action") or action))
    elif _result(step) == "error":
        number = f" (ERROR {step['ERROR']})" if step.get("ERROR") else ""
        reason = f"{message or 'no reason was given'}{number}"
        if done:
            refused = f"it was refused after {', '.join(done)}: {reason}"
            raise OUTCOME_UNKNOWN(action=action, reason=refused)
        raise REFUSED(action=action, reason=reason)


def _result(step: Any) -> str:
    return str(step.get("result", "")).lower() if isinstance(step, dict) else ""
