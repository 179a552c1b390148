"""What Hostwinds refuses, and what can go wrong on the way to it.

* HostwindsError
  x Unreachable        no answer, or one that is not the API's
  x AnswerLost         a change was sent and its answer never came: it may have happened
  x Unauthorized       key wrong, expired, or this address is not on its allow-list
  x Refused            the API said no
  x Ambiguous          a purchase whose outcome nobody can tell
  x JournalUnavailable no journal, so nothing may be bought
  x Superseded         somebody else works on this tenant now
"""

from __future__ import annotations


class HostwindsError(Exception):
    """Base of all. `code` is stable, `remedy` says what to do."""

    code = "hostwinds.error"
    remedy = "read the message of the provider"
    retryable = False

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy


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


class Ambiguous(HostwindsError):
    """An intent to buy has no outcome, and looking for longer than an order takes found nothing."""

    code = "hostwinds.purchase_ambiguous"
    remedy = "look into the portal, then set the outcome with `penguin purchases settle`"


class Superseded(HostwindsError):
    """Another holder of the tenant's lease has taken over; we may not buy any more."""

    code = "hostwinds.superseded"
    remedy = "nothing: the other one goes on"


class JournalUnavailable(HostwindsError):
    """The purchase journal cannot be written, so nothing may be bought."""

    code = "hostwinds.journal_unavailable"
    remedy = "check HOSTWINDS_JOURNAL and that its database has room and is reachable"
    retryable = True
