"""Settings of the sender process: `PENGUIN_SENDER_…` in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from blueprint.fields import Count, Real
from sender.tokens import LaterKeys, TokenKey


class SenderSettings(BaseSettings):
    """What `sender.daemon.run` needs. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="PENGUIN_SENDER_", extra="ignore")

    database_url: SecretStr
    """PostgreSQL, as a role that is a member of the sender's."""
    redis_url: SecretStr
    key_ring: Path
    """The vault's key ring; opens submission passwords and DKIM keys."""
    token_key: TokenKey
    """At least 32 random bytes in hexadecimal; signs return paths and unsubscribe links."""
    token_keys: LaterKeys = {}
    """Those that followed it, by id from 1 to 31: the highest signs, all are read."""
    public_url: str
    """Where `/u/{token}` is served, e.g. `https://app.penguinmails.example`."""
    role: str | None = None
    """Role to act as after the login, for a login that is only a member of it."""
    helo: str | None = None
    """What the sender calls itself towards our hosts; the machine's name when None."""
    lanes: Count = Field(default=8, ge=1, le=256)
    """Messages that are handled at the same time."""
    batch: Count = Field(default=100, ge=1, le=10_000)
    poll: Real = Field(default=0.2, gt=0)
    """Longest wait of an idle loop before it looks again."""
    lease: Real = Field(default=60, ge=0.1)
    """How long a push to Redis, or a silent worker in a hand-over, is believed in."""
    connect_timeout: Real = Field(default=20, gt=0)
    answer_timeout: Real = Field(default=600, gt=0)
    """After the final dot (RFC 5321 4.5.3.2.6); shorter ones manufacture `unknown`."""
    keep_alive: Real = Field(default=30, ge=0)
    """How long an idle connection to an address is kept."""
    max_attempts: Count = Field(default=300, ge=1)
    """More than fit into a message's 48 hours: by default it is time that gives a message up."""
    grace: Real = Field(default=30, ge=0)
    """How long a stop waits for hand-overs to end."""
