"""What an operator can set: `settings.env` in the state directory, then the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from blueprint.platform import Platform
from kit.database import Role

SETTINGS_FILE = "settings.env"
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


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

    def passwords(self) -> dict[Role, SecretStr]:
        """Return the password of each role."""
        return {
            Role.API: self.api_password,
            Role.OPERATOR: self.operator_password,
            Role.CONTROLLER: self.controller_password,
            Role.SENDER: self.sender_password,
        }


class RedisSettings(BaseModel):
    """Redis or Valkey: speed only, may be flushed at any moment."""

    url: SecretStr | None = None
    """`redis://:password@host:port/0`; empty: the embedded server."""

    @field_validator("url")
    @classmethod
    def _has_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(REDIS_SCHEMES):
            msg = f"a Redis URL begins with one of {', '.join(REDIS_SCHEMES)}"
            raise ValueError(msg)
        return url


class ApiSettings(BaseModel):
    """The tenant API."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)
    """None: 8400, or any free one where that is taken; `serve.json` in the state directory says."""
    pepper: SecretStr
    """Key of the hash of API keys."""
    operator_key_prefix: str = ""
    """The first operator's key, let in by `penguin db upgrade`; the key itself is in the context
    of whoever ran `penguin init`."""
    operator_key_hash: str = ""
    """Hexadecimal."""


class VaultSettings(BaseModel):
    """Sealing of secrets."""

    key_file: Path
    """The key ring; nobody else may read it, and without it no secret can be opened."""


class HostSettings(BaseModel):
    """What all hosts have in common."""

    sender_sources: tuple[str, ...] = ("127.0.0.1/32",)
    """Networks (CIDR) of the sender and of verification: the only ones let in on port 587."""
    ssh_sources: tuple[str, ...] = ("0.0.0.0/0",)
    """Networks that may open SSH connections to hosts; must hold the control plane's own."""
    package_sources: tuple[str, ...] = ()
    """Lines of a sources.list; empty: the sources that the image came with."""


class VerificationSettings(BaseModel):
    """How the control plane looks at itself from outside."""

    resolver: str | None = None
    """Address of the recursive name server to ask; None: the machine's own."""
    source: str | None = None
    """Own address that connections to hosts come from; None: whatever the system takes."""


class MailSettings(BaseModel):
    """The sender."""

    token_key: SecretStr
    """At least 32 random bytes in hexadecimal: return paths and unsubscribe links."""
    public_url: str = "http://127.0.0.1:8400"
    """Where `/u/{token}` is served to the world."""
    helo: str | None = None
    """What the sender calls itself towards our hosts; None: the machine's name."""


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
    mail: MailSettings
    hosts: HostSettings = HostSettings()
    verification: VerificationSettings = VerificationSettings()
    reconciler: ReconcilerSettings = ReconcilerSettings()

    @classmethod
    def read(cls, state_dir: Path) -> Settings:
        """Read the settings of a state directory.

        Raises SettingsMissing before `penguin init`, and SettingsInvalid.
        """
        file = state_dir / SETTINGS_FILE
        if not file.exists():
            raise SettingsMissing(file)
        try:
            return cls(_env_file=file)
        except ValidationError as error:
            raise SettingsInvalid(file, error) from None


class SettingsMissing(Exception):
    """Nobody has set this installation up yet."""

    code = "settings.missing"
    remedy = "run `penguin init`"

    def __init__(self, file: Path) -> None:
        super().__init__("this installation has no settings yet")
        self.where = str(file)


class SettingsInvalid(Exception):
    """A setting has a value that it cannot have; the value may be a secret and is not shown."""

    code = "settings.invalid"
    remedy = "correct the file, or the variable of the environment, which wins over it"

    def __init__(self, file: Path, error: ValidationError) -> None:
        wrong = (
            f"PENGUIN_{'__'.join(str(step).upper() for step in detail['loc'])}: "
            + str(detail["msg"]).removeprefix("Value error, ")
            for detail in error.errors(include_url=False, include_input=False)
        )
        super().__init__("; ".join(wrong))
        self.where = str(file)
