"""Asks the reconciler about a mailbox: only that part can open the secrets that lead to a host."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from typing import Any

from uuid_utils.compat import uuid7

from blueprint.document import Blueprint, Host
from blueprint.mail_address import domain_of
from controlplane.events.repository import emit
from controlplane.faults import MAILBOX_BUSY, MAILBOX_ELSEWHERE, MAILBOX_UNANSWERED, NOT_FOUND
from controlplane.identity.access import Access
from controlplane.mailboxes import repository
from controlplane.mailboxes.repository import Action, Question
from controlplane.mailu.faults import FAULTS
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from controlplane.tenants.repository import TenantRow
from kit.faults import Fault
from vault import Recipient

PATIENCE_SECONDS = 25.0
"""The command line waits for thirty."""
PAUSE_SECONDS = 0.2
EVENTS = {
    Action.MAKE: ("TokenMade", "token {name}"),
    Action.REVOKE: ("TokenRevoked", "token {name}"),
    Action.PASSWORD: ("PasswordSet", "a new password of the web pages"),
}


def host_of(blueprint: Blueprint, address: str) -> Host:
    """Return the host of a declared mailbox that people log in to; raises a fault without one."""
    if address not in {box.address for box in blueprint.mailboxes}:
        raise NOT_FOUND(kind="mailbox", name=address, plural="mailboxes")
    [domain] = [each for each in blueprint.domains if each.name == domain_of(address)]
    [host] = filter(domain.is_on, blueprint.hosts)
    if not host.has_mailu:
        raise MAILBOX_ELSEWHERE(address=address, host=host.name)
    return host


async def ask(
    access: Access,
    tenant: TenantRow,
    host: Host,
    action: Action,
    address: str,
    name: str = "",
    *,
    now: datetime,
) -> dict[str, Any]:
    """Ask, wait, and return the answer; raises a fault where there is none."""
    recipient = Recipient()
    question = Question(uuid7(), host.name, action, address, name, recipient.public)
    async with access.begin() as connection:
        await repository.ask(connection, tenant.id, question)
        await request_pass(connection, tenant.id, Priority.USER, now=now)
    try:
        sealed = await _answer(access, question)
    finally:
        async with access.begin() as connection:
            taken = await repository.forget(connection, question.id)
    if sealed is None:
        if not taken:
            raise MAILBOX_BUSY(address=address)
        raise MAILBOX_UNANSWERED(address=address, reason="the host took too long")
    given: dict[str, Any] = json.loads(recipient.open(sealed))
    if "fault" in given:
        raise _fault(address, given["fault"])
    if action in EVENTS:
        await _record(access, tenant, question, now)
    return given


async def _answer(access: Access, question: Question) -> str | None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        async with access.begin() as connection:
            if (sealed := await repository.answer_of(connection, question.id)) is not None:
                return sealed
        await asyncio.sleep(PAUSE_SECONDS)
    return None


async def _record(access: Access, tenant: TenantRow, question: Question, now: datetime) -> None:
    reason, message = EVENTS[question.action]
    async with access.begin() as connection:
        await emit(
            connection,
            tenant_id=tenant.id,
            tenant=tenant.name,
            at=now,
            subject=f"mailbox/{question.address}",
            kind="mailbox",
            reason=reason,
            message=message.format(name=question.name),
            actor=access.owner,
        )


def _fault(address: str, given: dict[str, str]) -> Fault:
    """Return a fault of the reconciler's as this part raises it; without a status it is a 503."""
    code = FAULTS.get(given["code"])
    if code is None or code.status is None:
        return MAILBOX_UNANSWERED(address=address, reason=given["message"])
    return Fault(code, given["message"], given["remedy"])
