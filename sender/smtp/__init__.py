"""Hands mails over by SMTP to our own hosts, and says exactly what is known after.

The one question that matters is whether a mail may be tried again. Its intent is committed when all
but its last bytes are with the host: until then nothing of it can be delivered, afterwards a lost
answer leaves it unknown.
"""

from sender.smtp.breaker import BreakerState, Rest
from sender.smtp.egress import Egress
from sender.smtp.limits import Limits
from sender.smtp.outcomes import BEFORE_MAIL, Begin, Envelope, Outcome, Result, Stage
from sender.smtp.pool import AddressState

__all__ = [
    "BEFORE_MAIL",
    "AddressState",
    "Begin",
    "BreakerState",
    "Egress",
    "Envelope",
    "Limits",
    "Outcome",
    "Rest",
    "Result",
    "Stage",
]
