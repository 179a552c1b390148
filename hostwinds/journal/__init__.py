"""The purchase journal: what we meant to buy, written before the call that costs money."""

from hostwinds.journal.choice import journal_from_environment
from hostwinds.journal.port import Intent, Journal

__all__ = ["Intent", "Journal", "journal_from_environment"]
