"""Judges the API's answers: only an explicit yes is a yes, and what else was said becomes text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from hostwinds.faults import REFUSED, UNAUTHORIZED, UNCLEAR, UNKNOWN_SERVICE, UNREACHABLE
from kit.faults import Fault

MISPRINT = re.compile(r'^\s*\{\s*"success"\s*=')
"""`{"success" = true}`, as the documentation prints it."""
INVISIBLE = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
MARKUP = re.compile(r"<[^>]*>")
NAMED_SECRET = re.compile(
    r"\b(api(?:.?key)?|password|configkey)\b(['\"]?\s*[:=]\s*)\S+", re.IGNORECASE
)
"""A secret in a sentence: `password: …`."""
SECRETS = ("api", "password", "configkey")
TROUBLE = ("error", "errors", "warning", "warnings", "failed", "failure")
AGREEING = ("success", "ok", "true", "1", "none", "")
"""What further words of state in a step that says success may be."""
FORBIDDEN = "not authorized"
UNKNOWN = "valid serviceid"
"""Fragments of lower-cased messages, which contain markup and misprints."""
TEXT_LIMIT = 300


class Answer:
    """The answer to one action.

    `key` is the API key, which an answer may repeat. `failure` is an HTTP status with which nothing
    but an error counts; empty where the status says success.
    """

    def __init__(self, text: str, action: str, *, key: str = "", failure: str = "") -> None:
        self._text = text
        self._action = action
        self._key = key
        self._failure = failure

    def check(self) -> None:
        """Raise UNREACHABLE for an answer that cannot be read, UNAUTHORIZED for a refused key."""
        if self._unreadable:
            if FORBIDDEN in self.said.lower():
                raise UNAUTHORIZED(reason=self.said)
            raise UNREACHABLE(action=self._action, reason=self._unreadable)

    def rows(self, *keys: str) -> list[dict[str, Any]]:
        """Return the objects of a list, or of an object that contains them by number.

        Any object of the list has one of the keys. Anything else is no empty list: raises UNCLEAR,
        REFUSED, UNAUTHORIZED, UNKNOWN_SERVICE or UNREACHABLE.
        """
        self.check()
        content = self._content
        items = list(content.values()) if isinstance(content, dict) and content else content
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._refusal()
        if items and not any(key in item for item in items for key in keys):
            raise self._refusal()
        return items

    def names(self) -> list[str]:
        """Return the names of a list, or of an object that has them by id; raises as `rows`.

        An item is a name, or an object with a `name`.
        """
        self.check()
        content = self._content
        items = content if isinstance(content, list) else []
        if isinstance(content, dict) and (
            all(isinstance(item, dict) for item in content.values()) or _is_numbered(content)
        ):
            items = list(content.values())
        names = [item.get("name") if isinstance(item, dict) else item for item in items]
        listed = [name for name in names if isinstance(name, str) and name]
        if not listed:
            raise self._refusal()
        return listed

    def found(self, *keys: str) -> dict[str, Any]:
        """Return an object that has one of the keys; raises as `rows`."""
        self.check()
        content = self._content
        if not isinstance(content, dict) or not any(key in content for key in keys):
            raise self._refusal()
        return content

    @property
    def is_list(self) -> bool:
        """Whether it is a list, of whatever."""
        return isinstance(self._content, list)

    def confirm(self) -> None:
        """Return if every step of a change says success.

        Raises REFUSED, UNAUTHORIZED or UNKNOWN_SERVICE when every step says error, whatever its
        words: then nothing was done. UNCLEAR for everything else: then it may have been done.
        """
        steps = self._steps if self.is_list else []
        if not self._unreadable and steps:
            if all(_is_done(step) for step in steps):
                return
            if all(_result(step) == "error" for step in steps):
                raise self._refusal()
        raise UNCLEAR(action=self._action, reason=self._unreadable or self.said)

    @cached_property
    def said(self) -> str:
        """What the provider said: one line without markup and secrets."""
        parts = [self._text] if self._json is None else list(_parts(self._json))
        text = "; ".join(filter(None, map(_cleaned, parts)))
        text = NAMED_SECRET.sub(r"\1\2***", text)
        if self._key:
            text = text.replace(self._key, "***")
        return text[:TEXT_LIMIT] or "no reason was given"

    def _refusal(self) -> Fault:
        """Return the fault of what is no yes; only errors are matched by further words."""
        said, steps = self.said, self._steps
        is_error = bool(steps) and all(_result(step) == "error" for step in steps)
        if said.lower() == FORBIDDEN or (is_error and FORBIDDEN in said.lower()):
            return UNAUTHORIZED(reason=said)
        if not is_error:
            return UNCLEAR(action=self._action, reason=said)
        if UNKNOWN in said.lower():
            return UNKNOWN_SERVICE(action=self._action, reason=said)
        return REFUSED(action=self._action, reason=said)

    @property
    def _unreadable(self) -> str:
        """Why it says nothing, empty where it can be read. Errors may come with any status."""
        if self._json is None:
            return f"{self._failure or 'the answer is not JSON'}: {self.said}"
        if self._failure and not any(_result(step) == "error" for step in self._steps):
            return f"{self._failure}: {self.said}"
        return ""

    @property
    def _steps(self) -> list[Any]:
        """The steps of a change or of an error; none where the answer has another shape."""
        content = self._content
        steps = [content] if _result(content) == "error" else content
        return steps if isinstance(steps, list) else []

    @property
    def _content(self) -> Any:
        """The answer without `{"success": …}`, which is optional."""
        answer = self._json
        wrapped = isinstance(answer, dict) and set(answer) == {"success"}
        return answer["success"] if wrapped else answer

    @cached_property
    def _json(self) -> Any:
        """The document, None where there is none; half characters are `?`, as they are no text."""
        try:
            text = self._text.removeprefix("\ufeff")
            document = json.loads(MISPRINT.sub('{"success":', text, count=1))
            return json.loads(json.dumps(document, ensure_ascii=False).encode(errors="replace"))
        except (ValueError, RecursionError):
            return None


def _result(step: Any) -> str:
    return str(step.get("result", "")).lower() if isinstance(step, dict) else ""


def _is_done(step: Any) -> bool:
    if _result(step) != "success":
        return False
    fields = {str(key).lower(): value for key, value in step.items()}
    words = (str(fields.get(key, "")).lower() for key in ("success", "status"))
    return not any(fields.get(key) for key in TROUBLE) and all(word in AGREEING for word in words)


def _is_numbered(content: dict[str, Any]) -> bool:
    """Return whether an object is a list whose items have numbers, as PHP writes some lists."""
    return bool(content) and all(key.isdecimal() for key in content)


def _parts(value: Any, name: str = "") -> Iterator[str]:
    """Yield the texts of an answer with their names; steps as `action: message (ERROR number)`."""
    if isinstance(value, list):
        for item in value:
            yield from _parts(item, name)
    elif isinstance(value, dict) and "message" in value and "result" in value:
        action = value.get("action", "") if _result(value) != "error" else ""
        number = f" (ERROR {value['ERROR']})" if value.get("ERROR") else ""
        message = _cleaned(value["message"]) or "no reason was given"
        yield f"{action}: {message}{number}" if action else f"{message}{number}"
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.lower() not in SECRETS:
                yield from _parts(item, "" if key == "message" else key)
    elif value not in (None, ""):
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{name}: {text}" if name else text


def _cleaned(text: Any) -> str:
    visible = INVISIBLE.sub(" ", html.unescape(str(text)))
    return " ".join(MARKUP.sub(" ", visible).split()).strip(" .!")
