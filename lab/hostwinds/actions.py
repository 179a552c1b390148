"""What every action of the API has in common: parameters, steps, and changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.agenda import Effect
from lab.hostwinds.account import HostwindsAccount, unknown
from lab.hostwinds.errors import ProviderError

Form = dict[str, str]
Action = Callable[[Form], Any]
"""Returns the answer of a read, or a Change."""


@dataclass(frozen=True)
class Change:
    """A change that was checked: what it answers, and what then happens."""

    steps: list[dict[str, str]]
    effect: Effect
    after: float = 0.0
    """Seconds until it happens."""


def step(result: str, action: str | None, message: str) -> dict[str, str]:
    """Return one step of an answer; some documented steps have no action."""
    named = {} if action is None else {"action": action}
    return {"result": result, **named, "message": message}


def done(action: str | None, message: str, effect: Effect, after: float = 0.0) -> Change:
    """Return a change with one step."""
    return Change([step("success", action, message)], effect, after)


def number(form: Form, action: str | None) -> int:
    """Return the parameter `serviceid`."""
    try:
        return int(form["serviceid"])
    except (KeyError, ValueError):
        raise unknown(action) from None


def count(form: Form, name: str, default: int) -> int:
    """Return an optional parameter that is a positive number; another value is ignored."""
    text = form.get(name, "")
    return int(text) if re.fullmatch("[1-9][0-9]{0,8}", text) else default


def required(form: Form, action: str | None, name: str) -> str:
    """Return a parameter that must be there."""
    if not form.get(name):
        raise ProviderError(action, f"{name} is required.")
    return form[name]


class Actions:
    """Actions of one part of the API, one method each."""

    def __init__(self, account: HostwindsAccount) -> None:
        self._account = account
        self._settings = account.settings

    def _later(self, action: str | None, message: str, effect: Effect) -> Change:
        return done(action, message, effect, self._settings.lands_after)
