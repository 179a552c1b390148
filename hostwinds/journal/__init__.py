"""The purchase journal: intents, written before a call that costs money, and their outcomes."""

from hostwinds.journal.choice import journal_from_environment
from hostwinds.journal.port import Intent, Journal

__all__ = ["Intent", "Journal", "journal_from_environment"]
