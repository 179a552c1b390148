"""Checks from outside, by a pass itself or by the checker before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from blueprint.document import Blueprint
from controlplane.checks import repository as rows
from controlplane.checks.kinds import CheckKind, Intervals
from controlplane.reconciler.ports import CloudState, Finding, Links, Login, Verifier
from controlplane.reconciler.purposes import SSH
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from kit.faults import Actor, Code

CodeOf = Callable[[str], Code | None]


class Given(BaseModel):
    """What a check depends on, but for the key by which the control plane logs in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blueprint: Blueprint
    cloud: CloudState
    authority: str = ""
    """The tenant's own certificate authority (PEM)."""
    known_hosts: Mapping[str, str] = {}
    """The key of each host that was configured, by the host's name."""
    public_names: tuple[str, ...] = ()
    """HELO names that show the certificate of a public authority."""
    changed_at: datetime | None = None
    """When addresses or firewalls may have changed at the provider."""
    settled_at: datetime | None = None
    """When a host, or the firewall in front of it, may have changed."""


@dataclass(frozen=True)
class Outside:
    """Makes checks of every kind."""

    verifier: Verifier
    links: Links

    async def check(
        self, kind: CheckKind, given: Given, key: Callable[[], str], *, now: datetime
    ) -> Sequence[Finding]:
        """Check what is given; `key` returns the private one by which hosts let us in."""

        def since(at: datetime | None) -> timedelta:
            return timedelta.max if at is None else now - at

        match kind:
            case CheckKind.DNS:
                return await self.verifier.verify_dns(given.blueprint, given.cloud)
            case CheckKind.LINKS:
                return await self.links.look(given.blueprint)
            case CheckKind.HOSTS:
                known = given.known_hosts
                return await self.verifier.verify_hosts(
                    given.blueprint,
                    given.cloud,
                    authority=given.authority,
                    logins={host: Login(line, key()) for host, line in known.items()},
                    unchanged_for=since(given.changed_at),
                    public_names=given.public_names,
                    settled_for=since(given.settled_at),
                )


class Checks:
    """Relies on a check of the same things that is young and was right; else checks itself.

    So what is wrong, new or not confirmed for long does not wait for the checker, and a person who
    asks for a pass gets a new check.
    """

    def __init__(self, outside: Outside, intervals: Intervals, code_of: CodeOf) -> None:
        """`intervals` are those of the checker; no check is kept of a kind that has none."""
        self._outside = outside
        self._intervals = intervals
        self._code_of = code_of

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the read of the last checks."""
        return [rows.reading(tenant_id)] if self._intervals else []

    async def findings(
        self, kind: CheckKind, given: Given, snapshot: Snapshot, session: Session
    ) -> Sequence[Finding]:
        """Return the findings of the last check, or of one that is made now."""
        check = partial(
            self._outside.check,
            kind,
            given,
            partial(snapshot.secrets.open, SSH),
            now=session.clock(),
        )
        interval = self._intervals.get(kind)
        if interval is None:
            session.dependencies.lose()
            return await check()
        tenant_id = snapshot.tenant.id
        last = (await session.fetch(rows.reading(tenant_id))).get(kind)
        content = given.model_dump_json(by_alias=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        is_same = last is not None and last.digest == digest
        is_relied_on = last is not None and is_same and last.is_right and last.is_fresh
        if last is not None and is_relied_on and not session.was_requested:
            found = restored(last.findings, self._code_of)
            if found is not None:
                return found
        session.dependencies.lose()
        findings = await check()
        is_right = are_right(findings)
        if is_right or not is_same or (last is not None and last.is_right):
            async with session.write() as connection:
                await rows.save(
                    connection,
                    tenant_id,
                    kind,
                    given=content,
                    digest=digest,
                    findings=stored(findings),
                    is_right=is_right,
                    interval=interval,
                )
        return findings


def are_right(findings: Sequence[Finding]) -> bool:
    """Return whether all was answered, and nothing is to be done."""
    return all(finding.ok and not finding.outdated for finding in findings)


def stored(findings: Sequence[Finding]) -> str:
    """Return findings as JSON."""
    return json.dumps([{**asdict(one), "code": one.code and one.code.name} for one in findings])


def restored(findings: Sequence[Mapping[str, Any]], code_of: CodeOf) -> list[Finding] | None:
    """Return findings from JSON; None where another version has written what this one lacks."""
    restored = []
    for one in findings:
        code = code_of(one["code"]) if one["code"] else None
        if one["code"] and code is None:
            return None
        acts = one["acts"] and Actor(one["acts"])
        try:
            restored.append(Finding(**{**one, "code": code, "acts": acts}))
        except TypeError:
            return None
    return restored
