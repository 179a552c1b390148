"""Reads a body as JSON is defined (RFC 8259): no repeated keys, no NaN, nothing but UTF-8."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.requests import Request

from blueprint.faults import DUPLICATE_KEY, Path, dotted, invalid
from controlplane.faults import MALFORMED_JSON
from controlplane.problems import Refusal
from kit.numbers import number


class JsonRequest(Request):
    """A request whose body is read without what Python's parser accepts beyond JSON."""

    async def json(self) -> Any:
        """Return the body; raises Refusal, and JSONDecodeError for what is no JSON at all."""
        return parsed(await self.body())


def parsed(body: bytes) -> Any:
    """Return the value of a JSON text, as `JsonRequest.json` does."""
    repeated: list[tuple[dict[str, Any], str]] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.extend((mapping, key) for key in mapping if keys.count(key) > 1)
        return mapping

    try:
        text = body.decode("utf-8-sig")
        data = json.loads(
            text,
            object_pairs_hook=unique,
            parse_constant=_refuse_constant,
            parse_int=number,
            parse_float=number,
        )
    except UnicodeDecodeError:
        raise Refusal(MALFORMED_JSON(reason="it is not UTF-8")) from None
    except RecursionError:
        raise Refusal(MALFORMED_JSON(reason="it is nested too deeply")) from None
    if repeated:
        paths = [(*(_path_to(data, mapping) or ()), key) for mapping, key in repeated]
        raise Refusal(
            invalid(DUPLICATE_KEY.violation(path=dotted(path), key=path[-1]) for path in paths)
        )
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise Refusal(MALFORMED_JSON(reason=f"{name} is not a number in JSON"))


def _path_to(value: Any, wanted: dict[str, Any]) -> Path | None:
    """Return the path of a mapping in a value."""
    if value is wanted:
        return ()
    if isinstance(value, dict):
        steps: Any = value.items()
    else:
        steps = enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        rest = _path_to(inner, wanted)
        if rest is not None:
            return (step, *rest)
    return None
