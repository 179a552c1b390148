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
"""Aliases of aliases make a short file unfold into more than any memory holds."""
MAX_NUMBER_BITS = 64

Positions = dict[Path, tuple[int, int]]
"""Line and column of each value."""


@dataclass(frozen=True)
class Source:
    """A tenant, and where each of its values is written."""

    tenant: Tenant
    file: str
    positions: Positions

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.tenant.metadata.name

    def located(self, violation: Violation) -> Violation:
        """Add file and line to a violation from another check of the document."""
        written = {dotted(path): path for path in self.positions}
        key = violation.path
        while key and key not in written:  # a default, or a key that is missing
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return _at_position(violation, self.positions, self.file, written[key])


def load(text: str, *, file: str, platform: Platform) -> list[Source]:
    """Return the tenants of a file of one or more YAML documents.

    Raises INVALID with the violations of all documents.
    """
    sources: list[Source] = []
    violations: list[Violation] = []
    for node in _documents(text, file):
        positions: Positions = {}
        written: list[Located] = []
        data = _plain(node, (), positions, written)
        refused = {path for path, violation in written if violation.code is INVALID_VALUE}
        tenant, located = _parse(data, platform)
        located = [*written, *((path, each) for path, each in located if path not in refused)]
        violations += [_at_position(each, positions, file, path) for path, each in located]
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
    """Hold a tenant of the right form to the rules across its fields; raises INVALID."""
    if located := validation.violations(tenant, platform):
        raise invalid(violation for _, violation in located)


def check_limits(tenant: Tenant, before: Tenant | None) -> None:
    """Check a tenant against its plan, beside what it has already; raises INVALID."""
    if located := validation.beyond_plan(tenant, before):
        raise invalid(violation for _, violation in located)


def _parse(data: object, platform: Platform) -> tuple[Tenant | None, list[Located]]:
    try:
        tenant = Tenant.model_validate(data)
    except ValidationError as error:
        return None, shape.violations(error.errors(include_url=False), Tenant)
    return tenant, validation.violations(tenant, platform)


def _documents(text: str, file: str) -> Iterator[yaml.Node]:
    def wrong(reason: str, line: int | None = None, column: int | None = None) -> Fault:
        return invalid([SYNTAX.violation(file=file, line=line, column=column, reason=reason)])

    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise wrong(f"it is larger than {MAX_BYTES} bytes")
    try:
        nodes = [node for node in yaml.compose_all(text, yaml.SafeLoader) if not _is_empty(node)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        reason = str(error.problem or error.context or "not YAML")
        raise wrong(
            reason, mark.line + 1 if mark else None, mark.column + 1 if mark else None
        ) from None
    except yaml.YAMLError as error:
        raise wrong(str(error).splitlines()[0]) from None
    except RecursionError:
        raise wrong("it is nested too deeply") from None
    if not nodes:
        raise invalid([EMPTY.violation(file=file)])
    if any(_is_too_large(node) for node in nodes):
        raise wrong(f"it is nested too deeply, or unfolds to more than {MAX_NODES} values")
    yield from nodes


def _is_empty(node: yaml.Node | None) -> bool:
    """Return whether nothing is between two separators, as after a last `---`."""
    return node is None or (isinstance(node, yaml.ScalarNode) and node.value == "")


def _is_too_large(top: yaml.Node) -> bool:
    """Return whether a document is too deep or too large once its aliases are unfolded."""
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


def _plain(node: yaml.Node, path: Path, positions: Positions, written: list[Located]) -> Any:
    """Return plain data; collect the position of each value, and mistakes of its notation."""
    positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*path, key)
            if key in result:
                mark = key_node.start_mark
                violation = DUPLICATE_KEY.violation(
                    path=dotted(here), line=mark.line + 1, column=mark.column + 1, key=key
                )
                written.append((here, violation))
            positions[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = _plain(value_node, here, positions, written)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(child, (*path, index), positions, written)
            for index, child in enumerate(node.value)
        ]
    return _scalar(node, path, written)


def _scalar(node: yaml.Node, path: Path, written: list[Located]) -> Any:
    """Return a text, number, truth or date; an invalid one is a mistake."""
    try:
        value = yaml.SafeLoader("").construct_object(node)
        fits = not isinstance(value, int) or value.bit_length() <= MAX_NUMBER_BITS
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError):
        # PyYAML lets its own slips through where a tag promises what the text is not.
        fits = False
    if fits:
        return value
    violation = INVALID_VALUE.violation(
        path=dotted(path),
        line=node.start_mark.line + 1,
        column=node.start_mark.column + 1,
        key=path[-1] if path else shape.WHOLE,
        value=shape.shown(str(node.value)),
        wanted="write a plain text or number without a tag; quote a text that looks like a date",
    )
    written.append((path, violation))
    return None


def _at_position(violation: Violation, positions: Positions, file: str, path: Path) -> Violation:
    """Add file and line: of the value itself, or of the nearest thing around it."""
    line, column = violation.line, violation.column
    while line is None:
        if path in positions:
            line, column = positions[path]
        elif not path:
            break
        path = path[:-1]
    return replace(violation, file=file, line=line, column=column)
