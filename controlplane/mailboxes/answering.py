"""Answers questions about a mailbox by the API of its host's Mailu."""

from __future__ import annotations

from typing import Any

from controlplane.mailboxes.repository import Action, Question
from controlplane.mailu import access
from controlplane.mailu.api import Api
from kit.faults import Fault


def answered(api: Api, tenant: str, question: Question) -> dict[str, Any]:
    """Return the answer, which may be a fault; it has secrets, and goes into no log."""
    box = access.Mailbox(tenant, question.address)
    try:
        match question.action:
            case Action.TOKENS:
                return {"items": [_shown(each) for each in access.tokens(api, box)]}
            case Action.MAKE:
                token = access.make_token(api, box, question.name)
                return {"name": question.name, "token": token}
            case Action.REVOKE:
                return {"revoked": access.revoke_token(api, box, question.name)}
            case Action.PASSWORD:
                return {"password": access.set_password(api, box)}
    except Fault as fault:
        return refused(fault)


def refused(fault: Fault) -> dict[str, Any]:
    """Return a fault as an answer."""
    values = {"code": fault.code.name, "message": fault.message, "remedy": fault.remedy}
    return {"fault": values}


def _shown(named: access.NamedToken) -> dict[str, Any]:
    token = named.token
    return {"name": named.name, "created": token.created, "networks": list(token.networks)}
