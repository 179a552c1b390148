"""Refusals are in no words of Python, and say what to write and where."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from blueprint import shape
from blueprint.loading import load
from blueprint.tenant import Tenant
from controlplane.keys.schemas import KeyRequest
from controlplane.stops.schemas import StopRequest
from controlplane.tenants.schemas import EXAMPLE, Intervention
from kit.faults import Fault, Violation
from sender.schemas import OutgoingMessage
from tests.support.installation import PLATFORM

WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 5, 1.5, 1e300, float("inf"), 2**70, "", " ", "x" * 1000, "\0"),
    *("\ud800", "010", [], [None], [[]], [1, "x"], {}, {"x": None}, {"": {"x": [1]}}, [{}]),
)
LABELLED = {**EXAMPLE, "metadata": {"name": "acme", "labels": {"team": "mail"}}}
BODIES: dict[type[BaseModel], dict[str, Any]] = {
    Tenant: LABELLED,
    OutgoingMessage: {
        "from": "sales@acme.example",
        "to": "bob@rcpt.example",
        "subject": "",
        "text": "",
        "from_name": "",
        "to_name": "",
        "reply_to": "a@b.example",
        "html": "",
        "campaign": "a",
        "priority": 1,
        "run_at": "2026-11-24T12:00:00Z",
        "in_reply_to": "<a@b.example>",
        "references": ["<a@b.example>"],
        "attachments": [{"filename": "a.txt", "content_type": "text/plain", "content": "aGk="}],
    },
    StopRequest: {"scope": "address", "name": "mx1-2", "tenant": "acme", "reason": "complaints"},
    KeyRequest: {"tenant": "acme", "scopes": ["messages:read"]},
    Intervention: {"reason": "the provider is being migrated"},
}
PYTHON = re.compile(
    r"\b(None|True|False|NoneType|dict|dictionary|tuple|str|int|float|bool|Decimal|nan|"
    r"instance|object|pydantic|isoformat|validator|model|[Ii]nput|Value error|Field required|"
    r"Extra inputs|valid (integer|string|list|tuple|boolean|datetime|UUID))\b|list\[|<class|\\x|u'"
)


def wrong_versions(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the body with a wrong value at each place, with a further key, and without each key."""
    for path in _paths(body):
        for value in WRONG:
            changed = copy.deepcopy(body)
            _container(changed, path)[path[-1]] = value
            yield changed
        changed = copy.deepcopy(body)
        del _container(changed, path)[path[-1]]
        yield changed
    yield {**body, "unknown": 1}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from _paths(inner, (*path, key))


def _container(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


def assert_plain(violation: Violation) -> None:
    """Assert that a violation has what a person needs, in plain words."""
    assert violation.message
    assert violation.remedy
    for text in (violation.message, violation.remedy):
        found = PYTHON.search(text)
        assert found is None, f"{found[0] if found else ''}: {text}"
        assert shape.OTHER not in text


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_refusal_of_a_body_has_no_word_of_python(model: type[BaseModel]) -> None:
    refused = 0
    for body in [*wrong_versions(BODIES[model]), *WRONG]:
        try:
            model.model_validate(body)
        except ValidationError as error:
            for _, violation in shape.violations(error.errors(include_url=False), model):
                assert_plain(violation)
                refused += 1
    assert refused > len(WRONG)


def test_refusal_of_a_file_has_no_word_of_python_and_names_the_line() -> None:
    for body in wrong_versions(LABELLED):
        for text in (
            json.dumps(body, ensure_ascii=True),
            yaml.safe_dump(body).replace("\\uD800", "x"),
        ):
            try:
                load(text, file="acme.yaml", platform=PLATFORM)
            except Fault as fault:
                for violation in fault.violations:
                    assert violation.line, text
                    assert violation.file == "acme.yaml"
                    assert_plain(violation)
