"""Settings of the sender process: `PENGUIN_SENDER_…` in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from blueprint.fields import Count, Real
from blueprint.mail_address import MailAddress
from sender.policy.spreading import BURST
from sender.tokens import LaterKeys, TokenKey


class SenderSettings(BaseSettings):
    """What `sender.daemon.run` needs. Times are in seconds, if not said otherwise."""

    model_config = SettingsConfigDict(env_prefix="PENGUIN_SENDER_", extra="ignore")

    database_url: SecretStr
    """PostgreSQL, as a role that is a member of the sender's."""
    key_ring: Path
    """The vault's key ring; opens submission passwords and DKIM keys."""
    token_key: TokenKey
    """At least 32 random bytes in hexadecimal; signs return paths and unsubscribe links."""
    token_keys: LaterKeys = {}
    """Those that followed it, by id from 1 to 31: the highest signs, all are read."""
    public_url: str
    """Where `/u/{token}` is served, e.g. `https://app.penguinmails.example`, for mail of domains
    without a host of their own for it."""
    unsubscribe_address: MailAddress | None = None
    """Whose mail is posted to `/u`; None: nothing reads mail to unsubscribe."""
    role: str | None = None
    """Role to act as after the login, for a login that is only a member of it."""
    lists_url: SecretStr | None = None
    """Redis: claimed messages wait in its lists; None: in memory."""
    redis_url: SecretStr | None = None
    """Redis: shows connections and rates to people; None: they are not shown."""
    helo: str | None = None
    """What the sender calls itself towards our hosts; the machine's name when None."""
    concurrency: Count = Field(default=200, ge=1, le=10_000)
    """Messages that are handled at the same time."""
    at_risk: Count = Field(default=400, ge=1, le=10_000)
    """Messages that are claimed and have no outcome in the database yet: more than are handled, so
    that handlers have work while outcomes are being written."""
    per_address: Count = Field(default=8, ge=1, le=1000)
    """Messages in work for one address, until it has answered: a host that is silent keeps no other
    mail waiting."""
    burst: Count = Field(default=BURST, ge=1)
    """Messages of an idle mailbox to a provider that leave at once; the rest of a day's are spread
    over the tenant's sending hours."""
    resolver: str | None = None
    """Recursive name server that is asked for MX records, `192.0.2.53` or `192.0.2.53:5353`; the
    machine's own when None."""
    poll: Real = Field(default=0.1, gt=0)
    """Between two looks for messages."""
    lease: Real = Field(default=30, ge=0.1)
    """After which a silent sender's messages are taken over."""
    connect_timeout: Real = Field(default=20, gt=0)
    answer_timeout: Real = Field(default=600, gt=0)
    """After the final dot (RFC 5321 4.5.3.2.6); shorter ones manufacture `unknown`."""
    keep_alive: Real = Field(default=10, ge=0)
    """How long an idle connection to an address is kept."""
    max_attempts: Count = Field(default=1000, ge=1)
    """More than fit into the 48 hours in which a message is tried: by default time gives it up."""
    grace: Real = Field(default=600, ge=0)
    """How long a stop waits for the answers to mails that hosts have completely; everything else is
    given back at once."""
    outcomes_file: Path | None = None
    """Begins the names of files with outcomes that a stop could not write, until the next start.
    Several senders of a machine may share it."""
    last_writes: Real = Field(default=5, ge=0)
    """How long a stop tries to write outcomes, if there is a file for them."""
    expiry: Real = Field(default=600, gt=0)
    """Between two searches for held messages that have expired."""
    maintenance: Real = Field(default=3600, gt=0)
    """Between two times when partitions are made and dropped."""
    keep_bodies: Count = Field(default=3, ge=0)
    """Days; what still waits is kept."""
    keep_records: Count = Field(default=90, ge=1)
    """Days."""
    keep_events: Count = Field(default=30, ge=1)
    """Days."""
