"""Why a message waits or has ended: every reason with words, who must act, and what releases it.

A reason is a stable code in rows, answers and bucket states. `explain`, the command line and
docs/reference/reasons.md print it from here; a code that is not here may not be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kit.faults import Actor


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `words` and `release` are clauses: lower case, no final dot."""

    code: str
    words: str
    acts: Actor
    release: str
    """What releases the message; empty where it has ended, or nothing is in its way."""

    def __str__(self) -> str:
        """Return the code."""
        return self.code


class Table:
    """The reasons, in the order of their declaration."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {}

    def add(self, code: str, words: str, acts: Actor, release: str = "") -> str:
        """Declare a reason and return its code."""
        if code in self._reasons:
            raise ValueError(f"{code} is declared twice")
        self._reasons[code] = Reason(code, words, acts, release)
        return code

    def __iter__(self) -> Iterator[Reason]:
        """Iterate over the reasons."""
        return iter(self._reasons.values())

    def get(self, code: str | None) -> Reason | None:
        """Return a reason; None for the code of an error, which `docs/reference/errors.md` has."""
        return self._reasons.get(code or "")


REASONS = Table()
USER, OPERATOR, NOBODY = Actor.USER, Actor.OPERATOR, Actor.NOBODY
REPLAY = "`penguin queue replay`, once the cause is put right"
"""What releases a dead letter, whatever it died of."""

# Nothing is in its way
READY = REASONS.add("ready", "it may be handed over now", NOBODY)
HOME_ADDRESS = REASONS.add(
    "home_address", "it leaves from the home address of its From domain", NOBODY
)
ADDRESS_IN_TURN = REASONS.add(
    "address_in_turn", "another address was chosen: there is no home, or its cap is used up", NOBODY
)
ACCEPTED = REASONS.add("accepted", "our host has accepted it", NOBODY)

# It waits for somebody
STOPPED = REASONS.add("stopped", "mail is stopped", USER, "`penguin start` of what was stopped")
NOT_PUBLISHED = REASONS.add(
    "not_published",
    "the tenant, or the generation that the message was accepted under, is not active yet",
    NOBODY,
    "the reconciler publishes it once its domains are verified",
)
DOMAIN_UNKNOWN = REASONS.add(
    "domain_unknown",
    "the From domain is not among the tenant's active domains",
    USER,
    "declare the domain again, or cancel the message",
)
MAILBOX_UNKNOWN = REASONS.add(
    "mailbox_unknown",
    "the From address is no mailbox of the tenant",
    USER,
    "declare the mailbox or a catch_all of its domain again, or cancel the message",
)
NO_POSTAL_ADDRESS = REASONS.add(
    "no_postal_address",
    "it is campaign mail, and the tenant has no postal address to show in it",
    USER,
    "set `spec.sending.postal_address` and apply it",
)
DOMAIN_NOT_VERIFIED = REASONS.add(
    "domain_not_verified",
    "the From domain has not been verified",
    USER,
    "its conditions become True: `penguin describe domain NAME` says which is not",
)
ADDRESS_NOT_READY = REASONS.add(
    "address_not_ready",
    "the address that it would leave from is not ready",
    NOBODY,
    "its PTR, TLS and relay tests pass: `penguin describe address NAME` says which does not",
)
ADDRESS_DRAINING = REASONS.add(
    "address_draining",
    "every address takes no new mail, since it is to be released",
    USER,
    "the tenant has another address that is ready",
)
HELD = REASONS.add(
    "held",
    "a person has held what it counts against",
    OPERATOR,
    "`penguin holds end`, or its end, if it has one",
)
PROVIDER_UNRESOLVED = REASONS.add(
    "provider_unresolved",
    "the receiving provider is not known: the MX records of the recipient's domain are looked up",
    NOBODY,
    "DNS answers",
)
UNSUBSCRIBE_NOT_HTTPS = REASONS.add(
    "unsubscribe_not_https",
    "the unsubscribe link would be no https address",
    OPERATOR,
    "set PENGUIN_MAIL__PUBLIC_URL to where receivers reach /u/",
)

# It waits for time
ADDRESS_CAP_REACHED = REASONS.add(
    "warmup_cap_reached",
    "every address that it may leave from has reached its cap of the day",
    NOBODY,
    "the next UTC day",
)
PROVIDER_CAP_REACHED = REASONS.add(
    "provider_cap_reached",
    "every address that it may leave from has reached its cap of the day at the receiving provider",
    NOBODY,
    "the next UTC day",
)
DOMAIN_CAP_REACHED = REASONS.add(
    "domain_cap_reached",
    "the From domain has reached its cap of the day",
    NOBODY,
    "the next UTC day",
)
MAILBOX_CAP_REACHED = REASONS.add(
    "mailbox_cap_reached",
    "the From mailbox has reached its cap of the day",
    NOBODY,
    "the next UTC day, or for a warm mailbox a higher daily_cap",
)
HOUR_CAP_REACHED = REASONS.add(
    "hour_cap_reached", "a fifth of a day's cap was used in this hour", NOBODY, "the next hour"
)
OUTSIDE_HOURS = REASONS.add(
    "outside_hours",
    "it is not one of the tenant's sending hours",
    NOBODY,
    "the hours of `sending` in the tenant's document begin",
)
SPREAD = REASONS.add(
    "spread", "the day's mail is spread over the sending hours", NOBODY, "its turn comes"
)
CAP_RACE = REASONS.add(
    "cap_race", "another message took the last place of a cap", NOBODY, "the next place"
)

# A try had no effect; it is tried again
UNREACHABLE = REASONS.add(
    "unreachable", "our host could not be reached", NOBODY, "the next try succeeds"
)
CERTIFICATE_REFUSED = REASONS.add(
    "certificate_refused",
    "our host shows a certificate that is not its own",
    OPERATOR,
    "the configuration phase renews it",
)
TLS_FAILED = REASONS.add(
    "tls_failed", "our host offers no encryption that we accept", OPERATOR, "the host is put right"
)
LOGIN_REFUSED = REASONS.add(
    "login_refused",
    "our host refuses the password of its address",
    OPERATOR,
    "the configuration phase sets it again",
)
HOST_REFUSED = REASONS.add(
    "host_refused",
    "our host refuses mail, so that its address is held",
    OPERATOR,
    "the host is put right, and the hold's time is over, or `penguin holds end`",
)
HOST_SILENT = REASONS.add(
    "host_silent", "our host did not answer in time", NOBODY, "the next try succeeds"
)
PROTOCOL_VIOLATION = REASONS.add(
    "protocol_violation",
    "our host answered what is no SMTP",
    OPERATOR,
    "the host is put right",
)
HOST_BUSY = REASONS.add("host_busy", "our host is busy", NOBODY, "the next try succeeds")
CONNECTION_LOST = REASONS.add(
    "connection_lost",
    "the connection to our host broke before the mail was sent",
    NOBODY,
    "the next try succeeds",
)
OF_HOSTS = (
    UNREACHABLE,
    CERTIFICATE_REFUSED,
    TLS_FAILED,
    LOGIN_REFUSED,
    HOST_SILENT,
    PROTOCOL_VIOLATION,
    HOST_BUSY,
    CONNECTION_LOST,
)
"""Mail of an address that failed with one of these waits a while before it is tried again."""
MAY_END_AT_ANY_MOMENT = (PROVIDER_UNRESOLVED, SPREAD, *OF_HOSTS)
"""Holds of seconds or minutes: they may have ended after the last moment that a standby knows."""
STOPPING = REASONS.add("stopping", "the sender ended before it was sent", NOBODY, "the next try")
DATABASE_LOST = REASONS.add(
    "database_lost",
    "the database did not answer, and nothing was sent",
    NOBODY,
    "the next try succeeds",
)
DATABASE_RESTORED = REASONS.add(
    "database_restored",
    "the database was restored or promoted, so what was sent since is not known",
    OPERATOR,
    "an operator says what to do with it",
)
INTENT_LOST = REASONS.add(
    "intent_lost", "its intent could not be written, so nothing was sent", NOBODY, "the next try"
)
INTERNAL_ERROR = REASONS.add(
    "internal_error",
    "the sender failed; its log has the traceback",
    OPERATOR,
    "the next try, once the failure is put right",
)
HANDLER_FAILED = REASONS.add(
    "handler_failed",
    "the sender failed; its log has the traceback",
    OPERATOR,
    "the next try, once the failure is put right",
)
TIME_LIMIT = REASONS.add(
    "time_limit", "it took longer than it may", NOBODY, "the next try, if nothing was sent"
)
REPLAYED = REASONS.add("replayed", "a person has put it back into the queue", NOBODY)
RESOLVED = REASONS.add("resolved", "a person has said what became of it", NOBODY)

# It has ended, or its outcome is unknown
WITHDRAWN = REASONS.add("withdrawn", "an operator has withdrawn it", NOBODY)
ERASED = REASONS.add("erased", "what was stored of its recipient was erased", NOBODY)
CANCELLED = REASONS.add("cancelled", "it was cancelled while it waited", NOBODY)
TENANT_DELETED = REASONS.add("tenant_deleted", "the tenant was deleted", NOBODY)
ADDRESS_RELEASED = REASONS.add(
    "address_released",
    "our host still had it to send when its address was released: it was not delivered",
    USER,
)
SUPPRESSED = REASONS.add("suppressed", "the recipient is suppressed", USER)
EXPIRED = REASONS.add("expired", "its time was over before it was sent", NOBODY)
ENVELOPE_REFUSED = REASONS.add(
    "envelope_refused", "our host refuses its sender or recipient for good", USER
)
CONTENT_REFUSED = REASONS.add("content_refused", "our host refuses its content for good", USER)
BARE_LINE_BREAK = REASONS.add(
    "bare_line_break", "it has a line break that SMTP does not allow", OPERATOR
)
TOO_BIG = REASONS.add("too_big", "it is larger than our host takes", USER)
ENDS_ITS_WORKER = REASONS.add(
    "ends_its_worker",
    "every process that worked on it ended",
    OPERATOR,
    REPLAY,
)
ANSWER_LOST = REASONS.add(
    "answer_lost",
    "the connection broke before our host confirmed it",
    OPERATOR,
    "`penguin mailq resolve` says what its host has",
)
WORKER_LOST = REASONS.add(
    "worker_lost",
    "the process that handed it over ended",
    OPERATOR,
    "`penguin mailq resolve` says what its host has",
)
