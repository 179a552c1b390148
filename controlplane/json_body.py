"""Reads a body as JSON is defined (RFC 8259): no repeated keys, no NaN, nothing but UTF-8."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any, NoReturn

from starlette.requests import Request

from blueprint.faults import DUPLICATE_KEY, Path, dotted, invalid
from blueprint.notation import MAX_DEPTH, MAX_NODES
from controlplane.faults import MALFORMED_JSON
from controlplane.problems import Refusal
from kit.numbers import number

TOO_MANY = f"it has more than {MAX_NODES} values"


class JsonRequest(Request):
    """A request whose body is read without what Python's parser accepts beyond JSON."""

    async def json(self) -> Any:
        """Return the body; raises Refusal, and JSONDecodeError for what is no JSON at all."""
        return parsed(await self.body())


def parsed(body: bytes) -> Any:
    """Return the value of a JSON text, as `JsonRequest.json` does."""
    repeated: dict[int, tuple[dict[str, Any], list[str]]] = {}
    """By its `id` a mapping, which has to live as long, and the keys that it repeats."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated[id(mapping)] = mapping, [key for key in mapping if counts[key] > 1]
        return mapping

    numbers = count(1)

    def counted(text: str) -> int | float | None:
        if next(numbers) > MAX_NODES:  # at once: a body can have many millions
            raise _malformed(TOO_MANY)
        return number(text)

    try:
        text = body.decode("utf-8-sig")
        data = json.loads(
            text,
            object_pairs_hook=unique,
            parse_constant=_refuse_constant,
            parse_int=counted,
            parse_float=counted,
        )
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    paths = [
        (*path, key)
        for path, mapping in _mappings(data)
        for key in repeated.get(id(mapping), (mapping, []))[1]
    ]
    if paths:
        raise Refusal(
            invalid(
                DUPLICATE_KEY.violation(path=dotted(path), key=dotted(path[-1:])) for path in paths
            )
        )
    return data


def _malformed(reason: str) -> Refusal:
    return Refusal(MALFORMED_JSON(reason=reason))


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is not a number in JSON")


def _mappings(data: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every mapping of a value with its path; raises Refusal beyond the limits of a file."""
    level: list[tuple[Path, Any]] = [((), data)]
    seen = 0
    for _ in range(MAX_DEPTH + 1):
        seen += sum(len(value) for _, value in level if isinstance(value, dict | list))
        if seen > MAX_NODES:
            raise _malformed(TOO_MANY)
        yield from ((path, value) for path, value in level if isinstance(value, dict))
        level = [((*path, step), inner) for path, value in level for step, inner in _items(value)]
    if level:
        raise _malformed("it is nested too deeply")


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
