"""Refusals of the Hostwinds API."""

from __future__ import annotations


class ProviderError(Exception):
    """A refusal, with the message of the API."""

    def __init__(self, action: str | None, message: str, number: str | None = None) -> None:
        super().__init__(message)
        self.action = action
        self.number = number
