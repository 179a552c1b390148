"""A hypothesis strategy for documents with a few changes, most of them invalid."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

ODD_TEXTS = ("business", "yes", "1", "2026-11-24", "", " ", "mx1\n", "a" * 31, "ACME.example")
ODD_NUMBERS = (1.0, 33.0, 1e300, 2**70)


def changed(
    documents: st.SearchStrategy[dict[str, Any]], patterns: Sequence[str], keys: Sequence[str]
) -> st.SearchStrategy[dict[str, Any]]:
    """Change, remove or add up to two values; some texts match `patterns`, or nearly do."""
    texts = st.one_of(
        st.text(max_size=8),
        st.one_of([st.from_regex(pattern) for pattern in patterns]),  # may end in a line break
        st.sampled_from(ODD_TEXTS),
    )
    values = st.one_of(
        texts,
        st.none(),
        st.booleans(),
        st.integers(-1, 1001),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(ODD_NUMBERS),
        st.lists(texts, max_size=2),
        st.dictionaries(texts, texts, max_size=2),
    )
    return _changed(documents, values, st.one_of(st.sampled_from(keys), texts))


@st.composite
def _changed(
    draw: st.DrawFn,
    documents: st.SearchStrategy[dict[str, Any]],
    values: st.SearchStrategy[Any],
    keys: st.SearchStrategy[str],
) -> dict[str, Any]:
    document = copy.deepcopy(draw(documents))
    for _ in range(draw(st.integers(0, 2))):
        container, key = draw(st.sampled_from(list(_positions(document))))
        match draw(st.sampled_from(["change", "remove", "add"])):
            case "change":
                container[key] = draw(values)
            case "remove":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(keys)] = draw(values)
            case "add":
                container.append(draw(values))
        if not document:
            break
    return document


def _positions(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a document."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _positions(inner)
