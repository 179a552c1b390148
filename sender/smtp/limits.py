"""How long the steps of a dialogue may take, and how many dialogues an address gets."""

from __future__ import annotations

from dataclasses import dataclass

STEPS = 5
"""Of the opening: connect and greeting, EHLO, STARTTLS, EHLO again, login."""
TRIES = 3
"""Connections that a mail is tried over when all but the last had been used before."""


@dataclass(frozen=True)
class Limits:
    """Times are in seconds."""

    opening: float = 20.0
    """Each step until the login is done."""
    entrance: float = 5.0
    """Until the first login at the host; it gets no other mail meanwhile."""
    command: float = 60.0
    """For the replies to MAIL, RCPT and DATA together. RFC 5321 4.5.3.2 allows strangers five
    minutes for each; these hosts are our own, and nothing is lost by trying again."""
    block: float = 180.0
    """Until the host has read another block of a large mail."""
    answer: float = 600.0
    """After the mail's end (RFC 5321 4.5.3.2.6); a shorter one leaves more mails unknown."""
    farewell: float = 2.0
    waiting: float = 60.0
    """For a connection, behind other mails of the same address."""
    patience: float = 1.0
    """A connection that was silent for so long is not counted on: another one may be opened."""
    behind: float = 10.0
    """For the answer to the mail before; then another connection is used."""
    keep: float = 10.0
    """How long an idle connection is kept."""
    idle: int = 500
    """Idle connections of all addresses together; the oldest are closed."""
    connections: int = 8
    """To one address at the same time, at most."""
    first: int = 2
    """As many to an address of which nothing is known yet; each accepted mail allows one more."""
    batch: int = 5
    """Mails that are expected to share a connection before another one is opened."""
    at_once: int = 24
    """Mails of one address at the same time: a silent host keeps no other mail waiting."""
    pause: float = 10.0
    """How long an address is paused after a failure; doubled each time."""
    longest_pause: float = 300.0
    refusals: int = 5
    """Mails in a row that were not accepted, after which an address counts as failed."""
    mails: int = 1000
    """Over one connection, so that a new certificate or password comes into use."""

    @property
    def dialogue(self) -> float:
        """No hand-over takes longer, apart from `begin` and from sending a large mail."""
        return self.waiting + STEPS * self.opening + TRIES * self.command + self.answer
