"""The JSON Schema accepts what the loader accepts, but for the rules across fields."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprint.faults import ACROSS_FIELDS, FAULTS, INVALID_VALUE, MISSING_KEY, UNKNOWN_KEY
from blueprint.loading import load, parse
from blueprint.schema import tenant_schema
from blueprint.tenant import (
    DOMAIN_PATTERN,
    LABEL_KEY_PATTERN,
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
    MAIL_PATTERN,
)
from kit.faults import Code, Fault
from tests.support.installation import PLATFORM
from tests.unit.blueprint.strategies import tenants

SCHEMA = jsonschema_rs.Draft202012Validator(tenant_schema())
PATTERNS = (
    DOMAIN_PATTERN,
    LABEL_KEY_PATTERN,
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
    MAIL_PATTERN,
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(PATTERNS).flatmap(st.from_regex),  # at times with a line end behind
    st.sampled_from(["business", "yes", "1", "2026-11-24", "", "mx1\n", "a" * 31, "ACME.example"]),
)
VALUES = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(-1, 501),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1.0, 33.0, 2**70]),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)
KEYS = st.one_of(st.sampled_from(["name", "labels", "zone", "api_version", "address"]), TEXTS)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a document."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from places(inner)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A tenant's document with a few changes, most of them wrong."""
    document = copy.deepcopy(draw(tenants()))
    document["metadata"]["labels"] = draw(
        st.dictionaries(st.from_regex(LABEL_KEY_PATTERN), st.just("x"), max_size=2)
    )
    for _ in range(draw(st.integers(0, 2))):
        container, key = draw(st.sampled_from(list(places(document))))
        match draw(st.sampled_from(["change", "remove", "add"])):
            case "change":
                container[key] = draw(VALUES)
            case "remove":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(KEYS)] = draw(VALUES)
            case "add":
                container.append(draw(VALUES))
    return document


def refusals(document: Any) -> set[Code]:
    """Return the codes with which a file is refused, beyond those across fields."""
    try:
        load(yaml.safe_dump(document), file="x", platform=PLATFORM)
    except Fault as fault:
        return {violation.code for violation in fault.violations} - set(ACROSS_FIELDS)
    return set()


@settings(max_examples=200, deadline=None)
@given(documents())
def test_document_is_accepted_by_schema_and_loader_or_by_none(document: dict[str, Any]) -> None:
    assert SCHEMA.is_valid(document) == (not refusals(document))


@settings(max_examples=50, deadline=None)
@given(documents())
def test_body_is_refused_like_the_file_of_the_same_document(document: dict[str, Any]) -> None:
    try:
        parse(document, platform=PLATFORM)
        body: set[Code] = set()
    except Fault as fault:
        body = {violation.code for violation in fault.violations} - set(ACROSS_FIELDS)
    assert bool(body) == bool(refusals(document))


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
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
        },
    }
    inner: Any = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return document


LABELS = ("metadata", "labels")
ADDRESS = ("spec", "mailboxes", 0, "address")


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (("spec", "hosts", 0, "addresses"), 32.0, 32.5),
        (("spec", "hosts", 0, "addresses"), 1, True),
        (("spec", "mailboxes", 0, "daily_cap"), 500.0, 501.0),
        (("spec", "hosts", 0, "name"), "mx1", "mx1\n"),
        (("spec", "hosts", 0, "zone"), None, ""),
        (ADDRESS, f"{'a' * 64}@acme.example", f"{'a' * 65}@acme.example"),
        (ADDRESS, "a.b@acme.example", "a..b@acme.example"),
        ((*LABELS, "team"), "", "a b"),
        ((*LABELS, "team"), "a" * 63, "a" * 64),
        ((*LABELS, "a" * 63), "x", 1),
        (LABELS, {f"{'a' * 253}/b": "x"}, {f"{'a' * 254}/b": "x"}),
        (LABELS, {"Team_1.x": "x"}, {"-team": "x"}),
        (LABELS, {"a.example/b": "x"}, {"A.example/b": "x"}),
    ],
)
def test_value_at_a_limit_is_accepted_and_one_beyond_refused(
    path: tuple[str | int, ...], good: Any, bad: Any
) -> None:
    accepted, refused = changed(path, good), changed(path, bad)
    assert (SCHEMA.is_valid(accepted), refusals(accepted)) == (True, set())
    assert (SCHEMA.is_valid(refused), refusals(refused)) == (False, {INVALID_VALUE})


def test_key_by_its_name_in_our_code_is_unknown() -> None:
    document = changed(("kind",), "Tenant")
    document["api_version"] = document.pop("apiVersion")
    assert not SCHEMA.is_valid(document)
    assert refusals(document) == {UNKNOWN_KEY, MISSING_KEY}


def test_every_rule_of_a_tenant_is_one_across_fields() -> None:
    assert {code for code in FAULTS if code.name.startswith("tenant.")} == set(ACROSS_FIELDS)
