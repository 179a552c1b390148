"""Reads tenant documents from YAML or JSON and reports every mistake with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from blueprint import validation
from blueprint.mistakes import DocumentError, Mistake, Path, dotted
from blueprint.platform import Platform
from blueprint.tenant import Tenant

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

Places = dict[Path, tuple[int, int]]


def load(text: str, *, file: str, platform: Platform) -> list[Tenant]:
    """Return the tenants of a file of one or more YAML documents.

    Raises DocumentError with all mistakes of all documents: `tenant.syntax`, `tenant.empty`,
    `tenant.unknown_key`, `tenant.missing_key`, `tenant.invalid_value`, `tenant.duplicate_key`,
    and those of `blueprint.validation`.
    """
    tenants: list[Tenant] = []
    found: list[Mistake] = []
    for node in _documents(text, file):
        places: Places = {}
        repeated: list[Mistake] = []
        data = _plain(node, (), places, repeated)
        found += [_placed(mistake, places, file, ()) for mistake in repeated]
        tenant, mistakes = _parse(data, platform)
        found += [_placed(mistake, places, file, path) for path, mistake in mistakes]
        if tenant is not None:
            tenants.append(tenant)
    if found:
        raise DocumentError(tuple(found))
    return tenants


def parse(data: object, *, platform: Platform) -> Tenant:
    """Return the tenant of a request's body; raises DocumentError without file and line."""
    tenant, mistakes = _parse(data, platform)
    if tenant is None or mistakes:
        raise DocumentError(tuple(mistake for _, mistake in mistakes))
    return tenant


def _parse(data: object, platform: Platform) -> tuple[Tenant | None, list[tuple[Path, Mistake]]]:
    try:
        tenant = Tenant.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose items are wrong is also "too short" to pydantic; that says nothing new.
        inner = {
            tuple(detail["loc"][: 1 + n])
            for detail in details
            for n in range(len(detail["loc"]) - 1)
        }
        return None, [
            _explained(detail)
            for detail in details
            if detail["type"] != "too_short" or tuple(detail["loc"]) not in inner
        ]
    return tenant, validation.mistakes(tenant, platform)


def _documents(text: str, file: str) -> Iterator[yaml.Node]:
    def wrong(message: str, line: int | None = None, column: int | None = None) -> DocumentError:
        remedy = "mend the file; see docs/reference/tenant.md"
        return DocumentError((Mistake("tenant.syntax", message, remedy, "", file, line, column),))

    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise wrong(f"the file is larger than {MAX_BYTES} bytes")
    try:
        nodes = [node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        message = str(error.problem or error.context or "not YAML")
        raise wrong(
            message, mark.line + 1 if mark else None, mark.column + 1 if mark else None
        ) from None
    except yaml.YAMLError as error:
        raise wrong(str(error).splitlines()[0]) from None
    except RecursionError:
        raise wrong("the document is nested too deeply") from None
    if not nodes:
        remedy = "write a document that begins with `apiVersion: penguinmails.dev/v1`"
        raise DocumentError((Mistake("tenant.empty", "no document in it", remedy, "", file),))
    if any(_depth(node, 0) > MAX_DEPTH for node in nodes):
        raise wrong("the document is nested too deeply")
    yield from nodes


def _depth(node: yaml.Node, depth: int) -> int:
    if depth > MAX_DEPTH or not isinstance(node, yaml.CollectionNode):
        return depth
    children = [
        part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))
    ]
    return max((_depth(child, depth + 1) for child in children), default=depth)


def _plain(node: yaml.Node, path: Path, places: Places, repeated: list[Mistake]) -> Any:
    """Return plain data and remember where each value, or its key, stands."""
    places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key in result:
                message = f"{key} stands here a second time"
                repeated.append(
                    Mistake(
                        "tenant.duplicate_key",
                        message,
                        "remove one of the two",
                        dotted(here),
                        None,
                        key_node.start_mark.line + 1,
                        key_node.start_mark.column + 1,
                    )
                )
            places[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = _plain(value_node, here, places, repeated)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(child, (*path, index), places, repeated)
            for index, child in enumerate(node.value)
        ]
    return yaml.SafeLoader("").construct_object(node)


def _placed(mistake: Mistake, places: Places, file: str, path: Path) -> Mistake:
    """Add file and line: of the value itself, or of the nearest thing around it."""
    line, column = mistake.line, mistake.column
    while line is None:
        if path in places:
            line, column = places[path]
        elif not path:
            break
        path = path[:-1]
    return Mistake(
        mistake.code,
        mistake.message,
        mistake.remedy,
        mistake.path,
        file,
        line,
        column,
        mistake.suggestion,
    )


def _explained(detail: Any) -> tuple[Path, Mistake]:
    """Say one of pydantic's findings in the words of the document."""
    path: Path = tuple(detail["loc"])
    name = path[-1] if path else "the document"
    if detail["type"] == "extra_forbidden":
        valid = _valid_keys(path[:-1])
        nearest = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.5)
        remedy = f"did you mean {nearest[0]}?" if nearest else f"valid keys: {', '.join(valid)}"
        return path, Mistake(
            "tenant.unknown_key",
            f"unknown key {name}",
            remedy,
            dotted(path),
            suggestion=nearest[0] if nearest else None,
        )
    if detail["type"] == "missing":
        return path, Mistake(
            "tenant.missing_key", f"{name} is missing", f"add {dotted(path)}", dotted(path)
        )
    given = repr(detail["input"])
    given = given if len(given) <= 60 else f"{given[:57]}…"
    words = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return path, Mistake(
        "tenant.invalid_value",
        f"{name} cannot be {given}",
        f"it should be {words}",
        dotted(path),
    )


def _valid_keys(path: Path) -> list[str]:
    """Return the keys that a document knows at a path."""
    model: Any = Tenant
    for step in path:
        if isinstance(step, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if step not in fields:
            return []
        model = _model_of(fields[step].annotation)
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_of(argument)
        if found is not None:
            return found
    return None
