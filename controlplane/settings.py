"""What an operator can set: `settings.env` in the state directory, then the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from blueprint.platform import Platform

SETTINGS_FILE = "settings.env"


class DatabaseSettings(BaseModel):
    """PostgreSQL 15 or later."""

    dsn: SecretStr | None = None
    """`postgresql://host/penguin`; empty: the embedded server. Its user is replaced by each role's
    except by `penguin db upgrade`, which needs one that may create roles."""
    pool_size: int = Field(default=5, ge=1)
    """Connections of each role of one process."""
    api_password: SecretStr
    operator_password: SecretStr
    controller_password: SecretStr
    sender_password: SecretStr

    def passwords(self) -> dict[str, SecretStr]:
        """Return the password of each role."""
        return {
            "penguin_api": self.api_password,
            "penguin_operator": self.operator_password,
            "penguin_controller": self.controller_password,
            "penguin_sender": self.sender_password,
        }


class RedisSettings(BaseModel):
    """Redis or Valkey: speed only, may be flushed at any moment."""

    url: SecretStr | None = None
    """`redis://:password@host:port/0`; empty: the embedded server."""


class ApiSettings(BaseModel):
    """The tenant API."""

    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=0, le=65535)
    """0 takes a free port; `serve.json` in the state directory says which."""
    pepper: SecretStr
    """Key of the hash of API keys."""


class VaultSettings(BaseModel):
    """Sealing of secrets."""

    key_file: Path
    """The key ring; nobody else may read it, and without it no secret can be opened."""


class ReconcilerSettings(BaseModel):
    """How reality is brought to the desired state."""

    workers: int = Field(default=2, ge=1)
    """Tenants visited at the same time."""
    poll: timedelta = timedelta(milliseconds=500)
    """How often an idle worker looks for a tenant that is due."""
    lease: timedelta = timedelta(seconds=60)
    """How long a visit may be silent before another process takes the tenant over."""
    retry_base: timedelta = timedelta(seconds=2)
    """Upper bound of the first wait after a failure; doubles with each further one."""
    retry_cap: timedelta = timedelta(minutes=5)
    """Upper bound of every wait after a failure."""
    resync: timedelta = timedelta(minutes=10)
    """How often a tenant that is Ready is looked at."""
    cloud_deadline: timedelta = timedelta(minutes=20)
    """How long one Pulumi operation may take."""


class Settings(BaseSettings):
    """Everything; `repr` shows no secret."""

    model_config = SettingsConfigDict(
        env_prefix="PENGUIN_", env_nested_delimiter="__", extra="ignore"
    )

    platform: Platform
    database: DatabaseSettings
    redis: RedisSettings = RedisSettings()
    api: ApiSettings
    vault: VaultSettings
    reconciler: ReconcilerSettings = ReconcilerSettings()

    @classmethod
    def read(cls, state_dir: Path) -> Settings:
        """Read the settings of a state directory; raises SettingsMissing before `penguin init`."""
        file = state_dir / SETTINGS_FILE
        if not file.exists():
            raise SettingsMissing(file)
        return cls(_env_file=file)


class SettingsMissing(Exception):
    """Nobody has set this installation up yet."""

    code = "settings.missing"
    remedy = "run `penguin init`"

    def __init__(self, file: Path) -> None:
        super().__init__("this installation has no settings yet")
        self.where = str(file)
