"""What operators do with mail that waits, is dead or of unknown outcome, in their transactions.

The queue itself knows neither recipients nor events; `sender.queue.operations` does the rest.
"""

from sender.mailq.dead import DeadMail, dead_mails, purge, replay
from sender.mailq.rates import WINDOW, HandedOver, Rate, Waits, handed_over, rates, waits
from sender.mailq.releasing import Released, release
from sender.mailq.selection import Changed, Place, Selection
from sender.mailq.unknown import Resolved, UnknownMail, resolve, unknown_mails
from sender.mailq.waiting import retry, withdraw

__all__ = [
    "WINDOW",
    "Changed",
    "DeadMail",
    "HandedOver",
    "Place",
    "Rate",
    "Released",
    "Resolved",
    "Selection",
    "UnknownMail",
    "Waits",
    "dead_mails",
    "handed_over",
    "purge",
    "rates",
    "release",
    "replay",
    "resolve",
    "retry",
    "unknown_mails",
    "waits",
    "withdraw",
]
