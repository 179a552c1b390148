"""The purchase journal: intents, written before a call that costs money, and their outcomes."""

from hostwinds.journal.choice import journal_at, journal_from_environment
from hostwinds.journal.fence import Fence
from hostwinds.journal.port import Intent, Journal, close_server

__all__ = ["Fence", "Intent", "Journal", "close_server", "journal_at", "journal_from_environment"]
