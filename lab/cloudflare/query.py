"""Filters, order and pages of a listing, as its query asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lab.cloudflare.errors import bad_query
from lab.cloudflare.records import ascii_name

Item = Mapping[str, Any]
Query = Mapping[str, str]
Test = Callable[[str, str], bool]
Filter = Callable[[Item], bool]

OPERATORS: dict[str, Test] = {
    "exact": str.__eq__,
    "contains": lambda value, expected: expected in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
TEXTS = ("name", "content", "comment")
RECORD_ORDERS = ("type", "name", "content", "ttl", "proxied")
LARGEST_PAGE = 5_000_000
ZONE_ORDERS = ("name", "status", "account.id", "account.name")


def chosen_records(records: Sequence[Item], query: Query) -> list[Item]:
    """Return the records that a query asks for, by default by type, then name, newest first."""
    tests = [test for key, value in query.items() if (test := _record_test(key, value))]
    tests += _tag_tests(query)
    found = [record for record in records if _is_found(record, query.get("search"))]
    matching = _matching(found, tests, query)
    matching.reverse()
    newest_first = sorted(matching, key=lambda record: (record["type"], record["name"]))
    return _ordered(newest_first, query, RECORD_ORDERS)


def chosen_zones(zones: Sequence[Item], query: Query) -> list[Item]:
    """Return the zones that a query asks for, by default by name."""
    tests = [test for key, value in query.items() if (test := _zone_test(key, value))]
    by_name = sorted(_matching(zones, tests, query), key=lambda zone: str(zone["name"]))
    return _ordered(by_name, query, ZONE_ORDERS)


def page(items: Sequence[Item], query: Query, default: int) -> tuple[list[Item], dict[str, int]]:
    """Return one page and its `result_info`; past the last page it is empty."""
    number, size = _number(query, "page", 1), _number(query, "per_page", default)
    shown = list(items[(number - 1) * size : number * size])
    info = {
        "page": number,
        "per_page": size,
        "count": len(shown),
        "total_count": len(items),
        "total_pages": max(-(-len(items) // size), 1),
    }
    return shown, info


def _matching(items: Sequence[Item], tests: Sequence[Filter], query: Query) -> list[Item]:
    test = _combined(tests, query, "match")
    return [item for item in items if test(item)]


def _combined(tests: Sequence[Filter], query: Query, parameter: str) -> Filter:
    """Return a test of which all others must be right, or any where the parameter says so."""
    choice = query.get(parameter, "all")
    if choice not in ("any", "all"):
        raise bad_query(parameter)
    combine = any if choice == "any" and tests else all
    return lambda item: combine(test(item) for test in tests)


def _ordered(items: list[Item], query: Query, allowed: Sequence[str]) -> list[Item]:
    order, direction = query.get("order"), query.get("direction", "asc")
    if direction not in ("asc", "desc"):
        raise bad_query("direction")
    if order is None:
        return items[::-1] if direction == "desc" else items
    if order not in allowed:
        raise bad_query("order")
    return sorted(items, key=lambda item: _field(item, order), reverse=direction == "desc")


def _field(item: Item, path: str) -> Any:
    value: Any = item
    for part in path.split("."):
        value = value[part]
    return value


def _record_test(key: str, expected: str) -> Filter | None:
    """Return the test of one parameter, None for one that filters nothing."""
    field, _, operator = key.partition(".")
    wanted = expected.lower()
    if field in TEXTS and operator in ("present", "absent"):
        return lambda record: bool(record[field]) == (operator == "present")
    if field in TEXTS and (operator or "exact") in OPERATORS:
        test = OPERATORS[operator or "exact"]
        if field == "name":
            wanted = ascii_name(expected)
        return lambda record: test(str(record[field] or "").lower(), wanted)
    if key == "type":
        return lambda record: str(record["type"]).lower() == wanted
    if key == "proxied":
        if wanted not in ("true", "false"):
            raise bad_query(key)
        return lambda record: record["proxied"] == (wanted == "true")
    return None


def _is_found(record: Item, text: str | None) -> bool:
    """Tell whether a record has the text of `search`, which works apart from `match`."""
    wanted = (text or "").lower()
    return any(wanted in str(record[field] or "").lower() for field in TEXTS)


def _tag_tests(query: Query) -> list[Filter]:
    """Return one test of all parameters about tags, none where there are none."""
    wanted = [(key, value.lower()) for key, value in query.items() if key.split(".")[0] == "tag"]
    tests: list[Filter] = [partial(_has_tag, key.partition(".")[2], value) for key, value in wanted]
    return [_combined(tests, query, "tag_match")] if tests else []


def _has_tag(operator: str, expected: str, record: Item) -> bool:
    name, _, value = expected.partition(":")
    parts = [tag.lower().partition(":") for tag in record["tags"]]
    values = {tag: value for tag, _, value in parts}
    if operator in ("present", "absent"):
        return (name in values) == (operator == "present")
    test = OPERATORS.get(operator or "exact")
    return test is not None and name in values and test(values[name], value)


def _zone_test(key: str, expected: str) -> Filter | None:
    if key in ("account.id", "account.name", "status"):
        return lambda zone: bool(_field(zone, key) == expected)
    field, _, operator = key.partition(".")
    if field == "name" and (operator or "exact") in OPERATORS:
        test, wanted = OPERATORS[operator or "exact"], expected.lower().rstrip(".")
        return lambda zone: test(str(zone["name"]), wanted)
    return None


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= LARGEST_PAGE:
        raise bad_query(name)
    return int(text)
