"""Reads YAML or JSON as plain data, with the position of every value.

A number is what JSON calls a number, a truth value is `true` or `false`, and nothing is a date:
other words that some version of YAML reads as one of them (`010`, `yes`, `2026-01-01`, `12:30`)
are texts. What YAML 1.1 and 1.2 read differently, and what no document needs, is refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from blueprint.faults import (
    DUPLICATE_KEY,
    EMPTY,
    SYNTAX,
    UNSUPPORTED,
    Located,
    Path,
    dotted,
    invalid,
)
from kit.faults import Fault, Violation

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 100_000
"""Nested aliases can expand a short file to more values than fit into memory."""
MAX_DIGITS = 20

TAG = "tag:yaml.org,2002:"
TEXT, NULL, BOOL, NUMBER = (f"{TAG}{name}" for name in ("str", "null", "bool", "float"))
SCALARS = {
    NULL: re.compile(r"(~|null|Null|NULL|)\Z"),
    BOOL: re.compile(r"(true|false)\Z"),
    NUMBER: re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z"),
}
"""How a plain word is written that is no text: as JSON does, and null as YAML 1.2 does."""
NUMBERS = (NUMBER, f"{TAG}int")

DIFFERENT_BREAK = re.compile("[\x85\u2028\u2029]")
"""Line breaks of YAML 1.1 that are ordinary characters in YAML 1.2."""

SYNTAX_ERRORS = (
    ("escape character|escape sequence", "an escape sequence is unknown", "write \\\\ for \\"),
    (r"character '\\t'", "there is a tab where only spaces are allowed", "write spaces"),
    (r"character '(.)'", "a text cannot begin with {0}", "write the text in quotes"),
    ("undefined alias '(.*)'", "the alias *{0} has no anchor before it", "define &{0} first"),
    ("duplicate anchor '(.*)'", "the anchor &{0} is defined twice", "rename one of the two"),
    (
        "sequence entries are not allowed|mapping keys are not allowed",
        "an item of a list is not on a line of its own",
        "begin a line with the hyphen",
    ),
    (
        "mapping values are not allowed",
        "there is a second key in a line, or a line is indented too far",
        "write one key in a line, and a text that contains ': ' in quotes",
    ),
    ("could not find expected ':'", "a line has no colon after its key", "write `key: value`"),
    (
        "expected <block end>",
        "a line is indented differently from those before it",
        "indent the keys of a mapping alike, and the hyphens of a list alike",
    ),
    (
        "expected ',' or|expected the node content|but got '(<stream end>|,)'",
        "a bracket, brace or comma is missing or one too many",
        "close every [ and {{ , and separate the items by single commas",
    ),
    (
        "unexpected end of stream|unexpected document separator",
        "a quoted text has no end",
        "add the closing quote",
    ),
    (
        "directive|document start|YAML document|tag handle|version number",
        "a directive or separator is wrong",
        "begin a further document with a line `---`, without directives",
    ),
    ("chomping|indentation indicators", "a block text begins wrongly", "write | or > alone"),
)
"""Messages of the parser, what they mean, and what to write."""


@dataclass
class Plain:
    """One document as plain data."""

    data: Any
    nodes: dict[Path, yaml.Node] = field(default_factory=dict)
    """By the path of each value; of a key's value the node is the key."""
    words: dict[Path, str] = field(default_factory=dict)
    """What stands in the file for each value without quotes."""
    violations: list[Located] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """Resolves plain words by `SCALARS` only."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {
        None: list(SCALARS.items())
    }


def documents(text: str, file: str) -> list[yaml.Node]:
    """Return the documents of a text that are not empty; raises INVALID."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise _syntax(file, f"it is larger than {MAX_BYTES} bytes", "divide it")
    text = re.sub(r"^\ufeff(?=---)", "", text, flags=re.MULTILINE)  # files that were concatenated
    if found := DIFFERENT_BREAK.search(text):
        character = f"the character U+{ord(found[0]):04X} (a line break in YAML 1.1)"
        raise _refused(file, *_position(text, found.start()), character, "remove it")
    try:
        nodes = list(yaml.compose_all(_without_tabs(text), _Loader))
    except yaml.MarkedYAMLError as error:
        raise _of_parser(error, file) from None
    except yaml.reader.ReaderError as error:
        character = f"the character U+{int(error.character):04X}"
        raise _refused(file, *_position(text, error.position), character, "remove it") from None
    except RecursionError:
        raise _syntax(file, "it is nested too deeply", f"use at most {MAX_DEPTH} levels") from None
    nodes = [node for node in nodes if not _is_empty(node)]
    if not nodes:
        raise empty(file)
    for node in nodes:
        _require_limits(node, file)
    return nodes


def empty(file: str) -> Fault:
    """Return the fault of a file without a document."""
    return invalid([EMPTY.violation(file=file, line=1, column=1)])


def plain(node: yaml.Node) -> Plain:
    """Return a document as plain data."""
    result = Plain(None)
    result.data = _value(node, (), result)
    return result


def position(node: yaml.Node) -> tuple[int, int]:
    """Return line and column of a node, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def _value(node: yaml.Node, path: Path, result: Plain) -> Any:
    result.nodes.setdefault(path, node)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path, result)
    if node.tag not in (f"{TAG}map", f"{TAG}seq"):
        result.violations.append((path, _tag(node, path)))
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*path, index), result) for index, child in enumerate(node.value)]
    return _mapping(node, path, result)


def _mapping(node: yaml.Node, path: Path, result: Plain) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            remedy = "write a text as the key, or a text that begins with [ or { in quotes"
            refused = _unsupported(key_node, path, "a list or mapping as a key", remedy)
            result.violations.append((path, refused))
            continue
        key = str(key_node.value)
        inner = (*path, key)
        if key == "<<":
            what = "the merge key <<"
            refused = _unsupported(key_node, inner, what, "write out the keys that it merges")
            result.violations.append((inner, refused))
            continue
        if key in mapping:
            line, column = position(key_node)
            repeated = DUPLICATE_KEY.violation(
                path=dotted(inner), line=line, column=column, key=key
            )
            result.violations.append((inner, repeated))
            continue
        result.nodes[inner] = key_node
        mapping[key] = _value(value_node, inner, result)
    return mapping


def _scalar(node: yaml.ScalarNode, path: Path, result: Plain) -> Any:
    text = str(node.value)
    if node.style is None:
        result.words[path] = text
    if node.tag == TEXT:
        return text
    kind = NUMBER if node.tag in NUMBERS else node.tag
    if kind not in SCALARS or not SCALARS[kind].match(text):
        result.violations.append((path, _tag(node, path)))
        return None
    if kind == NULL:
        return None
    if kind == BOOL:
        return text == "true"
    return number(text)


def number(text: str) -> int | float:
    """Return a number that JSON allows; a very large one as the nearest float, or as infinite."""
    is_small_integer = len(text) <= MAX_DIGITS and re.fullmatch("-?[0-9]+", text)
    return int(text) if is_small_integer else float(text)


def _tag(node: yaml.Node, path: Path) -> Violation:
    name = f"!!{node.tag.removeprefix(TAG)}" if node.tag.startswith(TAG) else node.tag
    return _unsupported(node, path, f"the tag {name}", "remove the tag, and write the plain value")


def _unsupported(node: yaml.Node, path: Path, construct: str, remedy: str) -> Violation:
    line, column = position(node)
    return UNSUPPORTED.violation(
        path=dotted(path), line=line, column=column, construct=construct, remedy=remedy
    )


def _is_empty(node: yaml.Node | None) -> bool:
    """Return whether nothing is between two separators, as after a last `---`."""
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == NULL)


def _require_limits(top: yaml.Node, file: str) -> None:
    """Refuse a document that is too deep or too large with its aliases expanded."""
    waiting, seen = [(top, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            remedy = f"use at most {MAX_DEPTH} levels"
            raise _syntax(file, "it is nested too deeply", remedy, *position(node))
        if seen > MAX_NODES:
            reason = f"with its aliases it has more than {MAX_NODES} values"
            raise _syntax(file, reason, "write fewer values, without aliases", *position(node))
        waiting += [(part, depth + 1) for part in _parts(node)]


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _without_tabs(text: str) -> str:
    """Return JSON that is indented by tabs with spaces instead, which the parser insists on.

    In a text of JSON a tab stands between values only.
    """
    if "\t" not in text or text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return text
    try:
        json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _of_parser(error: yaml.MarkedYAMLError, file: str) -> Fault:
    """Return a refusal of the parser in terms of the file."""
    mark = error.problem_mark or error.context_mark
    said = f"{error.problem or ''} {error.context or ''}"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    for pattern, reason, remedy in SYNTAX_ERRORS:
        if found := re.search(pattern, said):
            parts = found.groups(default="")
            return _syntax(file, reason.format(*parts), remedy.format(*parts), line, column)
    return _syntax(file, said.strip(), "see docs/reference/tenant.md for an example", line, column)


def _syntax(
    file: str, reason: str, remedy: str, line: int | None = 1, column: int | None = 1
) -> Fault:
    violation = SYNTAX.violation(file=file, line=line, column=column, reason=reason, remedy=remedy)
    return invalid([violation])


def _refused(file: str, line: int, column: int, construct: str, remedy: str) -> Fault:
    violation = UNSUPPORTED.violation(
        file=file, line=line, column=column, construct=construct, remedy=remedy
    )
    return invalid([violation])


def _position(text: str, index: int) -> tuple[int, int]:
    """Return line and column of a character, from 1."""
    before = re.split("\r\n|\r|\n", text[:index])
    return len(before), len(before[-1]) + 1
