"""Reads tenant documents from YAML or JSON and reports every mistake with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from blueprint import validation
from blueprint.mistakes import DocumentError, Mistake, Path, dotted
from blueprint.platform import Platform
from blueprint.tenant import DOMAIN_PATTERN, LABEL_PATTERN, MAIL_PATTERN, Tenant

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 100_000
"""Aliases of aliases make a short file unfold into more than any memory holds."""
MAX_NUMBER_BITS = 64

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
        written: list[Mistake] = []
        data = _plain(node, (), places, written)
        found += [_placed(mistake, places, file, ()) for mistake in written]
        tenant, mistakes = _parse(data, platform)
        told = {mistake.path for mistake in written if mistake.code == "tenant.invalid_value"}
        found += [
            _placed(mistake, places, file, path)
            for path, mistake in mistakes
            if mistake.path not in told
        ]
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
        nodes = [node for node in yaml.compose_all(text, yaml.SafeLoader) if not _is_empty(node)]
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
    if any(_is_too_large(node) for node in nodes):
        raise wrong(f"a document is nested too deeply, or unfolds to more than {MAX_NODES} values")
    yield from nodes


def _is_empty(node: yaml.Node | None) -> bool:
    """Tell whether nothing stands between two separators, as after a last `---`."""
    return node is None or (isinstance(node, yaml.ScalarNode) and node.value == "")


def _is_too_large(top: yaml.Node) -> bool:
    """Tell whether a document is too deep or too large once its aliases are unfolded."""
    waiting, seen = [(top, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_NODES:
            return True
        if isinstance(node, yaml.MappingNode):
            waiting += [(part, depth + 1) for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(part, depth + 1) for part in node.value]
    return False


def _plain(node: yaml.Node, path: Path, places: Places, written: list[Mistake]) -> Any:
    """Return plain data; remember where each value stands, and what is wrong as it is written."""
    places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key in result:
                message = f"{key} stands here a second time"
                written.append(
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
            result[key] = _plain(value_node, here, places, written)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(child, (*path, index), places, written) for index, child in enumerate(node.value)
        ]
    return _scalar(node, path, written)


def _scalar(node: yaml.Node, path: Path, written: list[Mistake]) -> Any:
    """Return a text, number, truth or date; one that looks so and is none is a mistake."""
    try:
        value = yaml.SafeLoader("").construct_object(node)
        fits = not isinstance(value, int) or value.bit_length() <= MAX_NUMBER_BITS
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError):
        # PyYAML lets its own slips through where a tag promises what the text is not.
        fits = False
    if fits:
        return value
    name = path[-1] if path else "the document"
    written.append(
        Mistake(
            "tenant.invalid_value",
            f"{name} cannot be {_shown(str(node.value))}",
            "write a plain text or number without a tag; quote a text that looks like a date",
            dotted(path),
            None,
            node.start_mark.line + 1,
            node.start_mark.column + 1,
        )
    )
    return None


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
    nearest_name = _nearest_name(detail)
    return path, Mistake(
        "tenant.invalid_value",
        f"{name} cannot be {_shown(detail['input'])}",
        f"it should be {_wanted(detail)}"
        + (f"; did you mean {nearest_name}?" if nearest_name else ""),
        dotted(path),
        suggestion=nearest_name,
    )


PATTERNS = {
    LABEL_PATTERN: "a name of at most 30 lower-case letters, digits and hyphens, "
    "beginning with a letter and not ending with a hyphen",
    DOMAIN_PATTERN: "a full domain name in lower case without a final dot, "
    "other letters in Punycode (xn--…)",
    MAIL_PATTERN: "a mail address in lower case, such as sales@acme.example",
}
SHAPES = {
    "model_type": "a mapping: keys with their values below it or in braces",
    "tuple_type": "a list: items below it, each after a hyphen, or in brackets",
    "string_type": "a text; quote it if it looks like a number, a date or a yes",
    "int_type": "a whole number without quotes",
    "too_short": "a list with at least one item",
}


def _wanted(detail: Any) -> str:
    """Say what a value should be in words that need no knowledge of our code."""
    if detail["type"] == "string_pattern_mismatch":
        pattern = str(detail["ctx"]["pattern"])
        return PATTERNS.get(pattern, f"a text like {pattern}")
    words: str = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return SHAPES.get(detail["type"], words)


def _nearest_name(detail: Any) -> str | None:
    """Return the domain name that was meant: without final dot, in lower case, in Punycode."""
    text, pattern = detail["input"], str(detail.get("ctx", {}).get("pattern"))
    if pattern != DOMAIN_PATTERN or not isinstance(text, str):
        return None
    try:
        near = text.strip().rstrip(".").lower().encode("idna").decode()
    except UnicodeError:
        return None
    # The standard library maps a few letters (IDNA 2003) that have names of their own by now.
    is_same_name = not set(text) & set("ßς\u200c\u200d")
    return near if is_same_name and re.fullmatch(pattern, near) else None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


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
