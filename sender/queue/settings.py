"""How a worker works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Times are in seconds."""

    concurrency: int = 64
    """Handlers at the same time."""
    at_risk: int = 200
    """Jobs that are claimed and whose outcome is not in the database yet, at most."""
    exchanges: int = 2
    """Round trips to the database at the same time; of two, one may overtake the other."""
    gather: float = 0.02
    """How long what is to be written waits for more, where there are more jobs in work than
    that: fewer and larger exchanges cost less."""
    poll: float = 0.1
    """Between two looks for jobs that came without a wake-up."""
    lease: float = 30.0
    time_limit: float = 60.0
    """Of one call of the handler."""
    longest: float = 900.0
    """How long a job may be held: longer than any handler."""
    ageing: float = 600.0
    """A job that has been due for so long, without a hold, is moved one class up."""
    most_losses: int = 5
    """A job that so many workers were lost with is dead. From the second loss on it is tried apart
    from others, and one counts only if its worker had no other such job. An outcome clears it."""
    grace: float = 30.0
    """How long a stop waits for handlers."""
    grace_begun: float = 0.0
    """How long, if longer, for those that have begun: their outcome would be unknown."""
    outcomes_file: Path | None = None
    """Begins the names of files with outcomes that a stop could not write, until the next start."""
    expiry: float = 600.0
    """Between two searches for jobs whose life ended while they waited; each reads all of them."""
    upkeep: float = 600.0
    """Between two looks for what to delete, and for partitions to make."""
    keep_bodies: int = 3
    """Days; what waits is kept."""
    keep_records: int = 90
    keep_keys: int = 90
    last_writes: float = 10.0
    """How long a stop waits for the database, if there is an `outcomes_file`."""
