"""Asserts that a user is shown a fault: on the command line, by the API, in a condition or row.

`tests/unit/conventions/test_faults.py` uses these functions to find which codes are tested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from cli.errors import FAILED, reported
from kit.faults import Code, Fault

Shown = str | Mapping[str, Any] | Fault


def assert_shows(shown: Shown, code: Code, **values: object) -> None:
    """Assert that the text of a code is shown.

    `shown` is what the command line or Pulumi printed, a problem of the API or one of its `errors`,
    a condition, an operation, a decision about a message, or a fault of a port's adapter.
    Values default to the example of the code; `...` matches any text.
    """
    message = _pattern(code.message, {**code.example, **values})
    remedy = _pattern(code.remedy, {**code.example, **values})
    for text, pattern in _parts(shown, code, message, remedy):
        assert re.search(pattern, text, re.DOTALL), f"{pattern}\nis not in\n{text}"


@contextmanager
def fault_shown(code: Code, **values: object) -> Iterator[pytest.ExceptionInfo[Fault]]:
    """Assert that the block ends in a fault with the text of a code."""
    with pytest.raises(Fault) as caught:
        yield caught
    assert_shows(caught.value, code, **values)


def any_values(code: Code) -> dict[str, object]:
    """Return values for `assert_shows` that match any text."""
    return dict.fromkeys(code.example, ...)


def printed(call: Callable[[], object]) -> str:
    """Return what the command line prints for the fault that a call raises."""
    with (
        redirect_stderr(StringIO()) as text,
        pytest.raises(SystemExit) as ended,
        reported(lambda: Path("/nowhere")),
    ):
        call()
    assert ended.value.code == FAILED
    return text.getvalue()


def _parts(shown: Shown, code: Code, message: str, remedy: str) -> list[tuple[str, str]]:
    """Return pairs of a text and the pattern that must be in it, for each form."""
    name = re.escape(code.name)
    if isinstance(shown, Fault):
        assert shown.code is code
        return [(shown.message, rf"\A{message}\Z"), (shown.remedy, rf"\A{remedy}\Z")]
    if isinstance(shown, str):
        remedy_line = rf"(\n  at: [^\n]*)?\n  do: {remedy}" if remedy else ""
        command_line = rf"error\[{name}\]: {message}{remedy_line}"
        engine_line = rf"\[{name}\] {message}" + (f"; do: {remedy}" if remedy else "")
        return [(shown, f"{command_line}|{engine_line}")]
    if "error_code" in shown:
        kind, texts = "error_code", ("error_message", "remedy")
    elif "detail" in shown:
        kind, texts = "code", ("detail", "remedy")
    elif "." in str(shown["reason"]):  # a decision about a message
        assert shown["reason"] == code.name
        return [(str(shown["message"]), rf"\A{message}\Z")]
    else:
        assert shown["reason"] == code.reason
        sentence = f"{message}; {remedy}" if remedy else message
        return [(str(shown["message"]), sentence + r"\Z")]
    if "status" in shown and "detail" in shown:
        assert shown["status"] == code.status
    return [
        (str(shown[kind]), rf"\A{name}\Z"),
        (str(shown[texts[0]]), message + r"\Z"),
        (str(shown[texts[1]]), rf"\A{remedy}\Z"),
    ]


def _pattern(text: str, values: Mapping[str, object]) -> str:
    """Return a format string as a regular expression; `...` matches anything."""
    pattern = ""
    for literal, name, spec, _ in Formatter().parse(text):
        pattern += re.escape(literal)
        if name is not None:
            value = values[name]
            pattern += ".+?" if value is ... else re.escape(format(value, spec or ""))
    return pattern
