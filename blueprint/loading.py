"""Reads tenant documents from YAML or JSON and reports every mistake with its position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml
from pydantic import ValidationError

from blueprint import manifests, notation, shape, validation
from blueprint.faults import (
    MISSING_KEY,
    NO_TENANT,
    NO_VALUE,
    UNSUPPORTED,
    Located,
    Path,
    dotted,
    invalid,
)
from blueprint.mail_servers import with_mail_servers
from blueprint.notation import MAX_BYTES, Plain
from blueprint.platform import Platform
from blueprint.tenant import MailboxServer, Tenant
from kit.faults import Violation

__all__ = ["MAX_BYTES", "Source", "check", "check_limits", "load", "parse", "settled"]

Nodes = Mapping[Path, yaml.Node]
SOPS = "sops"
"""The key that `sops` adds to a file whose values it encrypts."""


@dataclass(frozen=True)
class Source:
    """A tenant, and the position of each of its values."""

    tenant: Tenant
    file: str
    nodes: Nodes

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.tenant.metadata.name

    def located(self, violation: Violation) -> Violation:
        """Add file and line to a violation from another check of the document."""
        paths = {dotted(path): path for path in self.nodes}
        key = violation.path
        while key and key not in paths:  # a default, or a key that is missing
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return _at_position(violation, self.nodes, self.file, paths[key])


def load(
    text: str, *, file: str, platform: Platform, foreign: list[str] | None = None
) -> list[Source]:
    """Return the tenants of a file of one or more YAML documents.

    Documents of other programs are added to `foreign` by version and kind, or refused where it is
    None. Raises INVALID with the violations of all documents.
    """
    sources: list[Source] = []
    violations: list[Violation] = []
    documents = list(manifests.documents(notation.documents(text, file)))
    if not documents:
        raise notation.empty(file)
    for node in documents:
        document = notation.plain(node)
        other = manifests.foreign(document.data)
        if other is not None and foreign is not None:
            foreign.append(other)
            continue
        if other:
            violations.append(
                _at_position(NO_TENANT.violation(found=other), document.nodes, file, ())
            )
            continue
        tenant, located = _read(document, platform)
        violations += [
            _at_position(violation, document.nodes, file, path) for path, violation in located
        ]
        if tenant is not None:
            sources.append(Source(tenant, file, document.nodes))
    if violations:
        raise invalid(violations)
    return sources


def parse(data: object, *, platform: Platform) -> Tenant:
    """Return the tenant of plain data; raises INVALID, its violations without file and line."""
    try:
        tenant = Tenant.model_validate(data)
    except ValidationError as error:
        located = shape.violations(error.errors(include_url=False), Tenant)
        raise invalid(violation for _, violation in located) from None
    check(tenant, platform)
    return tenant


def check(tenant: Tenant, platform: Platform) -> None:
    """Check the rules across the fields of a parsed tenant; raises INVALID."""
    if located := validation.violations(tenant, platform):
        raise invalid(violation for _, violation in located)


def settled(
    tenant: Tenant, platform: Platform, known: Mapping[str, MailboxServer] | None = None
) -> Tenant:
    """Return a checked tenant with the mail server of each host; raises INVALID.

    `known` are those that hosts have, by name: they stay where the document names none.
    """
    complete = with_mail_servers(tenant, platform, known)
    if complete != tenant:
        check(complete, platform)
    return complete


def check_limits(tenant: Tenant, current: Tenant | None) -> None:
    """Check a tenant against its plan, given its current document; raises INVALID."""
    if located := validation.beyond_plan(tenant, current):
        raise invalid(violation for _, violation in located)


def _read(document: Plain, platform: Platform) -> tuple[Tenant | None, list[Located]]:
    """Return the tenant of a document, and what is wrong with it."""
    if isinstance(document.data, dict) and SOPS in document.data:
        remedy = "use `sops -d FILE | penguin apply -f -`"
        encrypted = UNSUPPORTED.violation(path=SOPS, construct="encryption by SOPS", remedy=remedy)
        return None, [((SOPS,), encrypted)]
    try:
        tenant = Tenant.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        if _write_texts(document, details):
            return _read(document, platform)
        invalid_paths = {path for path, _ in document.violations}
        located = [
            (path, _without_value(path, violation, document))
            for path, violation in shape.violations(details, Tenant, document.words)
            if path not in invalid_paths
        ]
        return None, [*document.violations, *located]
    if document.violations:
        return None, document.violations
    return tenant, validation.violations(tenant, platform)


def _write_texts(document: Plain, details: list[Any]) -> bool:
    """Where a text is wanted, replace a number or truth value by what stands in the file."""
    wanted = [
        path
        for detail in details
        if detail["type"] == "string_type"
        and detail["input"] is not None
        and (path := tuple(detail["loc"])) in document.words
    ]
    for path in wanted:
        container = document.data
        for step in path[:-1]:
            container = container[step]
        container[path[-1]] = document.words[path]
    return bool(wanted)


def _without_value(path: Path, violation: Violation, document: Plain) -> Violation:
    """Return the violation of a key that is there, but has no value."""
    if violation.code is MISSING_KEY and path in document.nodes:
        return NO_VALUE.violation(path=violation.path, key=path[-1], remedy="write one")
    return violation


def _at_position(violation: Violation, nodes: Nodes, file: str, path: Path) -> Violation:
    """Add file and line: of the value itself, or of the nearest value that contains it."""
    line, column = violation.line, violation.column
    while line is None:
        if path in nodes:
            line, column = notation.position(nodes[path])
        elif not path:
            break
        path = path[:-1]
    return replace(violation, file=file, line=line, column=column)
