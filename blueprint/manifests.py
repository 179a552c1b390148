"""Finds tenants among the documents of a file: in lists, in answers of the API, beside others."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from blueprint.tenant import API_VERSION

GROUP = API_VERSION.partition("/")[0]
KIND = "tenant"
WORD = re.compile(r"[\w.]+")
ALIKE = 0.85
"""Similarity of two names of which one is a misspelling of the other."""
RENDERED = "Blueprint"


def documents(nodes: Iterable[yaml.Node]) -> Iterator[yaml.Node]:
    """Yield each document: also the items of a list, and that of a tenant as it is printed."""
    for node in nodes:
        keys = _keys(node)
        items = keys.get("items")
        if isinstance(node, yaml.SequenceNode):
            yield from documents(node.value)
        elif isinstance(items, yaml.SequenceNode) and _is_list(keys):
            yield from documents(items.value)
        elif "apiVersion" not in keys and _keys(keys.get("tenant")):  # `penguin describe`
            yield from documents([keys["tenant"]])
        elif "apiVersion" not in keys and "document" in keys:  # `penguin get`
            yield keys["document"]
        else:
            yield node


def may_have_tenant(text: str) -> bool:
    """Return whether a text can hold a tenant, also a misspelled one; quicker than reading it."""
    return any(_is_alike(word, GROUP) or _is_alike(word, KIND) for word in set(WORD.findall(text)))


def _is_alike(word: str, name: str) -> bool:
    matcher = difflib.SequenceMatcher(None, word.lower(), name)
    return matcher.real_quick_ratio() > ALIKE and matcher.ratio() > ALIKE


def _keys(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """Return the values of a mapping; of anything else nothing."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value for key, value in node.value}


def _is_list(keys: dict[str, yaml.Node]) -> bool:
    """Return whether a mapping is `kind: List` of kubectl, or a page of the API."""
    return str(keys["kind"].value).endswith("List") if "kind" in keys else "spec" not in keys


def foreign(data: Any) -> str | None:
    """Return version and kind of a document that is not to be read as a tenant's.

    None for a tenant's, also with a misspelled version or kind; empty for one without both.
    """
    if not isinstance(data, dict):
        return ""
    version, kind = (str(data.get(key) or "") for key in ("apiVersion", "kind"))
    group, slash, _ = version.partition("/")
    if (_is_alike(group, GROUP) and kind != RENDERED) or (_is_alike(kind, KIND) and not slash):
        return None
    return f"{version} {kind}".strip()
