"""Reads tenant documents from YAML or JSON and reports every mistake with its position."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml
from pydantic import ValidationError

from blueprint import shape, validation
from blueprint.faults import (
    DUPLICATE_KEY,
    EMPTY,
    INVALID_VALUE,
    SYNTAX,
    Located,
    Path,
    dotted,
    invalid,
)
from blueprint.platform import Platform
from blueprint.tenant import Tenant
from kit.faults import Fault, Violation

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 100_000
"""Nested aliases can expand a short file to more values than fit into memory."""
MAX_NUMBER_BITS = 64

Positions = dict[Path, tuple[int, int]]
"""Line and column of each value."""


@dataclass(frozen=True)
class Source:
    """A tenant, and the position of each of its values."""

    tenant: Tenant
    file: str
    positions: Positions

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.tenant.metadata.name

    def located(self, violation: Violation) -> Violation:
        """Add file and line to a violation from another check of the document."""
        paths = {dotted(path): path for path in self.positions}
        key = violation.path
        while key and key not in paths:  # a default, or a key that is missing
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return _at_position(violation, self.positions, self.file, paths[key])


def load(text: str, *, file: str, platform: Platform) -> list[Source]:
    """Return the tenants of a file of one or more YAML documents.

    Raises INVALID with the violations of all documents.
    """
    sources: list[Source] = []
    violations: list[Violation] = []
    for node in _documents(text, file):
        positions: Positions = {}
        yaml_violations: list[Located] = []
        data = _plain(node, (), positions, yaml_violations)
        invalid_paths = {
            path for path, violation in yaml_violations if violation.code is INVALID_VALUE
        }
        tenant, located = _parse(data, platform)
        located = [*yaml_violations, *(item for item in located if item[0] not in invalid_paths)]
        violations += [
            _at_position(violation, positions, file, path) for path, violation in located
        ]
        if tenant is not None:
            sources.append(Source(tenant, file, positions))
    if violations:
        raise invalid(violations)
    return sources


def parse(data: object, *, platform: Platform) -> Tenant:
    """Return the tenant of plain data; raises INVALID, its violations without file and line."""
    tenant, located = _parse(data, platform)
    if tenant is None or located:
        raise invalid(violation for _, violation in located)
    return tenant


def check(tenant: Tenant, platform: Platform) -> None:
    """Check the rules across the fields of a parsed tenant; raises INVALID."""
    if located := validation.violations(tenant, platform):
        raise invalid(violation for _, violation in located)


def check_limits(tenant: Tenant, current: Tenant | None) -> None:
    """Check a tenant against its plan, given its current document; raises INVALID."""
    if located := validation.beyond_plan(tenant, current):
        raise invalid(violation for _, violation in located)


def _parse(data: object, platform: Platform) -> tuple[Tenant | None, list[Located]]:
    try:
        tenant = Tenant.model_validate(data)
    except ValidationError as error:
        return None, shape.violations(error.errors(include_url=False), Tenant)
    return tenant, validation.violations(tenant, platform)


def _documents(text: str, file: str) -> Iterator[yaml.Node]:
    def syntax_fault(reason: str, line: int | None = None, column: int | None = None) -> Fault:
        return invalid([SYNTAX.violation(file=file, line=line, column=column, reason=reason)])

    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise syntax_fault(f"it is larger than {MAX_BYTES} bytes")
    try:
        nodes = [node for node in yaml.compose_all(text, yaml.SafeLoader) if not _is_empty(node)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        reason = str(error.problem or error.context or "not YAML")
        raise syntax_fault(
            reason, mark.line + 1 if mark else None, mark.column + 1 if mark else None
        ) from None
    except yaml.YAMLError as error:
        raise syntax_fault(str(error).splitlines()[0]) from None
    except RecursionError:
        raise syntax_fault("it is nested too deeply") from None
    if not nodes:
        raise invalid([EMPTY.violation(file=file)])
    if any(_is_too_large(node) for node in nodes):
        raise syntax_fault(f"it is nested too deeply, or expands to more than {MAX_NODES} values")
    yield from nodes


def _is_empty(node: yaml.Node | None) -> bool:
    """Return whether nothing is between two separators, as after a last `---`."""
    return node is None or (isinstance(node, yaml.ScalarNode) and node.value == "")


def _is_too_large(top: yaml.Node) -> bool:
    """Return whether a document is too deep or too large with its aliases expanded."""
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


def _plain(
    node: yaml.Node, path: Path, positions: Positions, yaml_violations: list[Located]
) -> Any:
    """Return plain data; collect the position of each value, and duplicate keys and bad scalars."""
    positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            child_path = (*path, key)
            if key in result:
                mark = key_node.start_mark
                violation = DUPLICATE_KEY.violation(
                    path=dotted(child_path), line=mark.line + 1, column=mark.column + 1, key=key
                )
                yaml_violations.append((child_path, violation))
            positions[child_path] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = _plain(value_node, child_path, positions, yaml_violations)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(child, (*path, index), positions, yaml_violations)
            for index, child in enumerate(node.value)
        ]
    return _scalar(node, path, yaml_violations)


def _scalar(node: yaml.Node, path: Path, yaml_violations: list[Located]) -> Any:
    """Return a string, number, boolean or date; an invalid one is added to the violations."""
    try:
        value = yaml.SafeLoader("").construct_object(node)
        fits = not isinstance(value, int) or value.bit_length() <= MAX_NUMBER_BITS
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError):
        # PyYAML raises built-in errors for a tag that does not fit the text.
        fits = False
    if fits:
        return value
    violation = INVALID_VALUE.violation(
        path=dotted(path),
        line=node.start_mark.line + 1,
        column=node.start_mark.column + 1,
        key=path[-1] if path else shape.WHOLE,
        value=shape.abbreviated(str(node.value)),
        remedy="write a plain text or number without a tag; quote a text that looks like a date",
    )
    yaml_violations.append((path, violation))
    return None


def _at_position(violation: Violation, positions: Positions, file: str, path: Path) -> Violation:
    """Add file and line: of the value itself, or of the nearest value that contains it."""
    line, column = violation.line, violation.column
    while line is None:
        if path in positions:
            line, column = positions[path]
        elif not path:
            break
        path = path[:-1]
    return replace(violation, file=file, line=line, column=column)
