"""Names in PostgreSQL that several rooms share: the roles of an installation, advisory locks."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Role(StrEnum):
    """As whom a part of an installation logs in; the row policies tell them apart."""

    API = "api"
    """A tenant's own key: sees that tenant only."""
    OPERATOR = "operator"
    CONTROLLER = "controller"
    """The reconciler."""
    SENDER = "sender"
    PUBLIC = "public"
    """Whoever follows a link in a mail: can unsubscribe, and read nothing."""


def role_name(installation: str, role: Role) -> str:
    """Return a role's name. Roles belong to the whole server, which installations may share."""
    return f"penguin_{installation}_{role}"


def with_roles(statements: str, installation: str) -> str:
    """Fill in the roles' names where SQL says `{api}`, `{operator}` and so on."""
    for role in Role:
        statements = statements.replace(f"{{{role}}}", role_name(installation, role))
    return statements


class AdvisoryLock(IntEnum):
    """Numbers of PostgreSQL's advisory locks: one for each purpose, all in one place."""

    UPGRADE = 0x70656E01
    """One upgrade of a database's schemas at a time."""
    SENDER_UPGRADE = 0x70656E02
    """The sender's part of it, which others may run alone."""
    JOURNAL_SCHEMA = 0x70656E03
    """One process at a time makes the purchase journal's tables."""
    EVENTS = 0x70656E04
    """Transactions with events commit one after the other."""
