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

from blueprint import syntax
from blueprint.faults import (
    DUPLICATE_KEY,
    EMPTY,
    UNSUPPORTED,
    Located,
    Path,
    dotted,
    invalid,
)
from kit import numbers
from kit.faults import Fault, Violation

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 100_000
"""Nested aliases can expand a short file to more values than fit into memory."""

TAG = "tag:yaml.org,2002:"
TEXT, NULL, BOOL, NUMBER = (f"{TAG}{name}" for name in ("str", "null", "bool", "float"))
SCALARS = {
    NULL: re.compile(r"(~|null|Null|NULL|)\Z"),
    BOOL: re.compile(r"(true|false)\Z"),
    NUMBER: numbers.NUMBER,
}
"""How a plain word is written that is no text: as JSON does, and null as YAML 1.2 does."""
NUMBERS = (NUMBER, f"{TAG}int")

STRING = re.compile(r'("(?:[^"\\]|\\.)*")(?:([ \r\n]*)(:))?')
"""A text of JSON, with the colon after it where it is a key."""
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
DIFFERENT_BREAK = re.compile("[\x85\u2028\u2029]")
"""Line breaks of YAML 1.1 that are ordinary characters in YAML 1.2."""


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
        raise syntax.not_readable(file, f"it is larger than {MAX_BYTES} bytes", "divide it")
    text = re.sub("^\ufeff+", "", text, flags=re.MULTILINE)  # also of files that were concatenated
    lines = syntax.Lines(text)
    if found := DIFFERENT_BREAK.search(text):
        character = f"the character U+{ord(found[0]):04X} (a line break in YAML 1.1)"
        raise syntax.not_supported(file, *lines.position(found.start()), character, "remove it")
    nodes: list[yaml.Node] = []
    for start, part in _parts(text):
        try:
            nodes += _composed(part, *lines.position(start))
        except yaml.MarkedYAMLError as error:
            raise syntax.of_parser(error, file, lines) from None
        except yaml.reader.ReaderError as error:
            where = lines.position(start + error.position)
            character = f"the character U+{int(error.character):04X}"
            raise syntax.not_supported(file, *where, character, "remove it") from None
        except RecursionError:
            remedy = f"use at most {MAX_DEPTH} levels"
            raise syntax.not_readable(file, "it is nested too deeply", remedy) from None
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
            compound = _unsupported(key_node, path, "a list or mapping as a key", remedy)
            result.violations.append((path, compound))
            continue
        key = str(key_node.value)
        inner = (*path, key)
        if refused := _refused_key(key_node, inner, is_repeated=key in mapping):
            result.violations.append((inner, refused))
            continue
        result.nodes[inner] = key_node
        mapping[key] = _value(value_node, inner, result)
    return mapping


def _refused_key(node: yaml.ScalarNode, path: Path, *, is_repeated: bool) -> Violation | None:
    """Return why a key is not read; `path` ends with it."""
    if path[-1] == "<<":
        return _unsupported(node, path, "the merge key <<", "write out the keys that it merges")
    if _kind(node) is None:
        return _tag(node, path)
    if is_repeated:
        line, column = position(node)
        return DUPLICATE_KEY.violation(
            path=dotted(path), line=line, column=column, key=dotted(path[-1:])
        )
    return None


def _scalar(node: yaml.ScalarNode, path: Path, result: Plain) -> Any:
    # In JSON `\ud83d\ude00` is one character, in YAML two that do not exist.
    text, kind = PAIR.sub(_character, str(node.value)), _kind(node)
    if node.style is None:
        result.words[path] = text
    if kind is None:
        result.violations.append((path, _tag(node, path)))
    if kind == BOOL:
        return text == "true"
    if kind == NUMBER:
        return numbers.number(text)
    return text if kind == TEXT else None


def _character(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _kind(node: yaml.ScalarNode) -> str | None:
    """Return the tag by which a word or text is read; None where its own is for something else."""
    kind = NUMBER if node.tag in NUMBERS else str(node.tag)
    is_read = kind == TEXT or (kind in SCALARS and SCALARS[kind].match(node.value))
    return kind if is_read else None


def _tag(node: yaml.Node, path: Path) -> Violation:
    name = f"!!{node.tag.removeprefix(TAG)}" if node.tag.startswith(TAG) else node.tag
    return _unsupported(node, path, f"the tag {name}", "remove the tag, and write the plain value")


def _unsupported(node: yaml.Node, path: Path, construct: str, remedy: str) -> Violation:
    line, column = position(node)
    return UNSUPPORTED.violation(
        path=dotted(path), line=line, column=column, construct=construct, remedy=remedy
    )


def _is_empty(node: yaml.Node) -> bool:
    """Return whether nothing is between two separators, as after a last `---`."""
    return isinstance(node, yaml.ScalarNode) and node.tag == NULL


def _require_limits(top: yaml.Node, file: str) -> None:
    """Refuse a document that is too deep or too large with its aliases expanded."""
    waiting, seen = [(top, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            remedy = f"use at most {MAX_DEPTH} levels"
            raise syntax.not_readable(file, "it is nested too deeply", remedy, *position(node))
        if seen > MAX_NODES:
            reason = f"with its aliases it has more than {MAX_NODES} values"
            remedy = "write fewer values, without aliases"
            raise syntax.not_readable(file, reason, remedy, *position(node))
        waiting += [(child, depth + 1) for child in _children(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _parts(text: str) -> list[tuple[int, str]]:
    """Return the start of each text of JSON, as `jq` prints several, or of YAML, with the text."""
    parts: list[tuple[int, str]] = []
    start, value = 0, _after_space(text, 0)
    while text[value : value + 1] in ("{", "["):
        try:
            _, end = json.JSONDecoder().raw_decode(text, value)
        except (ValueError, RecursionError):
            break
        parts.append((start, _as_yaml(text[start:end])))
        start, value = end, _after_space(text, end)
    return parts if value == len(text) and parts else [(0, text)]


def _as_yaml(value: str) -> str:
    """Return a text of JSON as the parser needs it: no tabs, and each colon beside its key.

    Lines and columns of values stay the same.
    """
    return STRING.sub(r"\1\3\2", value.replace("\t", " "))


def _after_space(text: str, start: int) -> int:
    found = re.compile("[\ufeff \t\r\n]*").match(text, start)
    return found.end() if found else start


def _composed(text: str, line: int, column: int) -> list[yaml.Node]:
    """Return the documents of a text that begins at this position and are not empty."""
    loader = _Loader(text)
    loader.line, loader.column = line - 1, column - 1
    composed: list[yaml.Node] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None and not _is_empty(node):
                composed.append(node)
    finally:
        loader.dispose()
    return composed
