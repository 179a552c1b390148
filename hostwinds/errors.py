"""What Hostwinds refuses, and what can go wrong on the way to it.

* HostwindsError
  x Unreachable        no answer, or one that is not the API's
  x AnswerLost         a change was sent and its answer never came: it may have happened
    + HalfDone         a part of a change was done and the rest refused
  x Unauthorized       key wrong, expired, or this address is not on its allow-list
  x Refused            the API said no
  x NotInEffect        the API said yes, and nothing changed
  x Unfinished         an instance was bought and is not active
  x Ambiguous          a purchase whose outcome nobody can tell
  x Vanished           what was bought is not in the account any more
  x JournalUnavailable no journal, so nothing may be bought
  x Superseded         somebody else works on this tenant now
  x Interrupted        this process was asked to stop
  x SameName           a replacement has the name of what it replaces
  x Defect             a fault of ours
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostwinds.models import Instance


class HostwindsError(Exception):
    """Base of all. `code` is stable, `remedy` says what to do."""

    code = "hostwinds.error"
    remedy = "read the message of the provider"
    retryable = False

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy

    def line(self) -> str:
        """Say all of it in one line, as the engine shows it."""
        return f"[{self.code}] {self}; do: {self.remedy}"


class Unreachable(HostwindsError):
    """The API did not answer, or answered something that is not its format."""

    code = "hostwinds.unreachable"
    remedy = "check HOSTWINDS_API_URL and the network; it is tried again"
    retryable = True


class AnswerLost(HostwindsError):
    """The connection broke after a change was sent; only looking can tell whether it happened."""

    code = "hostwinds.answer_lost"
    remedy = "nothing: the next run looks before it does anything"
    retryable = True


class HalfDone(AnswerLost):
    """The provider did a part of a change, charged for it perhaps, and refused the rest."""

    code = "hostwinds.half_done"


class Unauthorized(HostwindsError):
    """The API said `Not Authorized!`."""

    code = "hostwinds.unauthorized"
    remedy = (
        "check HOSTWINDS_API_KEY, its expiry, and that this machine's IPv4 address is on the key's "
        "allow-list in the Hostwinds portal"
    )


class Refused(HostwindsError):
    """The API refused the call; repeating it changes nothing."""

    code = "hostwinds.refused"
    remedy = "change the request as the message says"


class FirewallWithoutSsh(Refused):
    """The profile would lock us out."""

    code = "hostwinds.firewall_without_ssh"
    remedy = "choose a firewall profile that lets port 22 in"


class NotInEffect(HostwindsError):
    """The API accepted a change, and reading back shows that nothing changed."""

    code = "hostwinds.not_in_effect"
    remedy = "nothing: the next run looks again; if it stays so, ask Hostwinds' support"
    retryable = True


class Unfinished(HostwindsError):
    """An instance is bought and is not active: it takes long, or the provider gave up on it."""

    code = "hostwinds.not_active"
    remedy = "nothing while it is being made; else ask Hostwinds' support: it is not ordered again"
    retryable = True

    def __init__(self, message: str, instance: Instance) -> None:
        super().__init__(message)
        self.instance = instance


class Ambiguous(HostwindsError):
    """An intent to buy has no outcome, and looking for longer than an order takes found nothing."""

    code = "hostwinds.purchase_ambiguous"
    remedy = (
        "look into the portal: `penguin purchases settle NAME SERVICE_ID` if it was bought, "
        "`penguin purchases forget NAME` if not"
    )


class Vanished(HostwindsError):
    """What the journal says was bought is not in the account; it is not ordered again by itself."""

    code = "hostwinds.vanished"
    remedy = (
        "check that HOSTWINDS_API_KEY is of the right account; if the server was really ended, "
        "`penguin purchases forget NAME` lets another be bought"
    )


class Superseded(HostwindsError):
    """Another holder of the tenant's lease has taken over; we may not buy any more."""

    code = "hostwinds.superseded"
    remedy = "nothing: the other one goes on"


class Interrupted(HostwindsError):
    """The plugin was asked to stop while it waited."""

    code = "hostwinds.interrupted"
    remedy = "nothing: the next run looks before it does anything"
    retryable = True


class JournalUnavailable(HostwindsError):
    """The purchase journal cannot be written, so nothing may be bought."""

    code = "hostwinds.journal_unavailable"
    remedy = "check HOSTWINDS_JOURNAL and that its database has room and is reachable"
    retryable = True


class SameName(HostwindsError):
    """A change makes another server, which would be taken for the one that it replaces."""

    code = "hostwinds.replacement_name"
    remedy = "give the host another name"


class Defect(HostwindsError):
    """The provider plugin has a fault."""

    code = "hostwinds.defect"
    remedy = "report it with the operation's log"
