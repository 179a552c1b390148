"""The JSON Schema accepts what the loader accepts, except for the rules across fields."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprint.faults import ACROSS_FIELDS, FAULTS, INVALID_VALUE, MISSING_KEY, UNKNOWN_KEY
from blueprint.loading import load, parse
from blueprint.mail_address import ADDRESS
from blueprint.schema import tenant_schema
from blueprint.tenant import (
    DOMAIN_PATTERN,
    LABEL_KEY_PATTERN,
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
)
from kit.faults import Code, Fault
from tests.support.changed_documents import changed
from tests.support.installation import PLATFORM
from tests.unit.blueprint.strategies import tenants

SCHEMA = jsonschema_rs.Draft202012Validator(tenant_schema())
PATTERNS = (
    DOMAIN_PATTERN,
    LABEL_KEY_PATTERN,
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
    ADDRESS,
)
KEYS = ("name", "labels", "zone", "api_version", "address")


@st.composite
def labelled(draw: st.DrawFn) -> dict[str, Any]:
    """A valid document with labels."""
    document = draw(tenants())
    document["metadata"]["labels"] = draw(
        st.dictionaries(st.from_regex(LABEL_KEY_PATTERN), st.just("x"), max_size=2)
    )
    return document


DOCUMENTS = changed(labelled(), PATTERNS, KEYS)


def refusals_of_body(document: Any) -> dict[Code, str]:
    """Return the codes and remedies with which a body is refused, except those across fields."""
    try:
        parse(document, platform=PLATFORM)
    except Fault as fault:
        mistakes = {violation.code: violation.remedy for violation in fault.violations}
        return {code: remedy for code, remedy in mistakes.items() if code not in ACROSS_FIELDS}
    return {}


def refusals(document: Any) -> set[Code]:
    """Return the codes with which a file is refused, except those across fields."""
    try:
        load(yaml.safe_dump(document), file="x", platform=PLATFORM)
    except Fault as fault:
        return {violation.code for violation in fault.violations} - set(ACROSS_FIELDS)
    return set()


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS)
def test_body_is_accepted_by_both_schema_and_model_or_by_neither(document: dict[str, Any]) -> None:
    assert SCHEMA.is_valid(document) == (not refusals_of_body(document))


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS)
def test_file_is_refused_like_the_body_except_for_words_that_can_be_texts(
    document: dict[str, Any],
) -> None:
    body, file = refusals_of_body(document), refusals(document)
    if not file and body:
        assert body == {INVALID_VALUE: "it should be a text"}
    else:
        assert bool(body) == bool(file)


def document_with(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": "acme", "labels": {}},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": [{"name": "mx1"}],
            "domains": [{"name": "acme.example"}],
            "mailboxes": [{"address": "sales@acme.example"}],
            "sending": {"postal_address": "Springfield"},
        },
    }
    inner: Any = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return document


LABELS = ("metadata", "labels")
MAILBOX = ("spec", "mailboxes", 0, "address")
POSTAL = ("spec", "sending", "postal_address")


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (("spec", "hosts", 0, "addresses"), 32.0, 32.5),
        (("spec", "hosts", 0, "addresses"), 1, True),
        (("spec", "mailboxes", 0, "daily_cap"), 500.0, 501.0),
        (("spec", "hosts", 0, "name"), "mx1", "mx1\n"),
        (("spec", "hosts", 0, "zone"), None, ""),
        (MAILBOX, f"{'a' * 64}@acme.example", f"{'a' * 65}@acme.example"),
        (MAILBOX, "a.b@acme.example", "a..b@acme.example"),
        ((*LABELS, "team"), "", "a b"),
        ((*LABELS, "team"), "a" * 63, "a" * 64),
        ((*LABELS, "a" * 63), "x", ["x"]),
        (POSTAL, "\u00a0\nSpringfield", "\u00a0\n\u200b"),
        (LABELS, None, "x"),
        (LABELS, {f"{'a' * 253}/b": "x"}, {f"{'a' * 254}/b": "x"}),
        (LABELS, {"Team_1.x": "x"}, {"-team": "x"}),
        (LABELS, {"a.example/b": "x"}, {"A.example/b": "x"}),
    ],
)
def test_value_at_a_limit_is_accepted_and_one_beyond_refused(
    path: tuple[str | int, ...], good: Any, bad: Any
) -> None:
    accepted, refused = document_with(path, good), document_with(path, bad)
    assert (SCHEMA.is_valid(accepted), refusals(accepted)) == (True, set())
    assert (SCHEMA.is_valid(refused), refusals(refused)) == (False, {INVALID_VALUE})


def test_key_by_its_python_name_is_unknown() -> None:
    document = document_with(("kind",), "Tenant")
    document["api_version"] = document.pop("apiVersion")
    assert not SCHEMA.is_valid(document)
    assert refusals(document) == {UNKNOWN_KEY, MISSING_KEY}


def test_every_tenant_rule_is_listed_as_across_fields() -> None:
    assert {code for code in FAULTS if code.name.startswith("tenant.")} == set(ACROSS_FIELDS)
