"""The purchase journal for the reconciler, which notices that the database was set back."""

from __future__ import annotations

from collections.abc import Mapping

from hostwinds.journal import journal_from_environment


class HostwindsLedger:
    """The `Ledger` of the reconciler."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def identity(self) -> str:
        """Return the id of the journal."""
        return journal_from_environment(self._environment).identity()

    def unbind(self, why: str) -> None:
        """Let the journal refuse orders and ends until it is bound again."""
        journal_from_environment(self._environment).unbind(why)
