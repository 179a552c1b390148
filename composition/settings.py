"""What an operator can set: `settings.env` in the state directory, then the environment."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from blueprint.fields import Count, Duration, Matching
from blueprint.mail_address import MailAddress
from blueprint.platform import Platform
from blueprint.tenant import DOMAIN_PATTERN, FullName
from cli import settings
from cli.settings import SETTINGS_FILE
from composition.faults import SETTINGS_MISSING
from controlplane.checks.kinds import CheckKind, Intervals
from controlplane.images.settings import ImageSettings
from controlplane.settings import CertificateSettings, ReconcilerSettings
from kit.database import Role
from sender.tokens import LaterKeys, TokenKey

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class DatabaseSettings(BaseModel):
    """PostgreSQL 15 or later."""

    dsn: SecretStr | None = None
    """`postgresql://host/penguin`; empty: the embedded server. Its user is replaced by each role's
    except by `penguin db upgrade`, which needs one that may create roles."""
    pool_size: Count = Field(default=5, ge=1)
    """Connections of each role of one process."""
    api_password: SecretStr
    operator_password: SecretStr
    controller_password: SecretStr
    sender_password: SecretStr
    public_password: SecretStr
    engine_password: SecretStr
    journal_password: SecretStr

    def passwords(self) -> dict[Role, SecretStr]:
        """Return the password of each role."""
        return {role: getattr(self, f"{role}_password") for role in Role}


class RedisSettings(BaseModel):
    """Redis or Valkey: speed only, may be flushed at any moment."""

    url: SecretStr | None = None
    """`redis://:password@host:port/0`; empty: the embedded server."""

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        if not url.get_secret_value().startswith(REDIS_SCHEMES):
            msg = f"a Redis URL begins with one of {', '.join(REDIS_SCHEMES)}"
            raise ValueError(msg)
        try:
            _ = urlsplit(url.get_secret_value()).port
        except ValueError:  # brackets without an address, or a port that is none
            msg = "write a Redis URL such as redis://:password@host:6379/0"
            raise ValueError(msg) from None
        return url


class ApiSettings(BaseModel):
    """The tenant API."""

    host: str = "127.0.0.1"
    port: Count | None = Field(default=None, ge=0, le=65535)
    """None: 8400, or any free one where that is in use, as `serve.json` shows."""
    pepper: SecretStr
    """Key of the hash of API keys."""
    operator_key_prefix: str = ""
    """Of the first operator's key, which `penguin db upgrade` registers; the key itself is in the
    context of the user who ran `penguin init`."""
    operator_key_hash: str = ""
    """Hexadecimal."""


class PublicSettings(BaseModel):
    """Endpoints without a key: `/u/{token}`."""

    host: str = "127.0.0.1"
    port: Count | None = Field(default=None, ge=0, le=65535)
    """None: 8401, or any free one where that is in use, as `serve.json` shows."""


class HttpsSettings(BaseModel):
    """The public endpoints by HTTPS: each name shows its own certificate."""

    host: str = "127.0.0.1"
    port: Count | None = Field(default=None, ge=0, le=65535)
    """443 for the Internet; None: no HTTPS."""
    certificate: Path | None = None
    """PEM file with the chain and the key that all other names show, such as that of
    `PENGUIN_MAIL__PUBLIC_URL`; read again when it changes. None: other names are refused."""


class MetricsSettings(BaseModel):
    """`/metrics` of the sender, without a key: let only the monitoring system reach it."""

    host: str = "127.0.0.1"
    port: Count | None = Field(default=None, ge=0, le=65535)
    """None: 8402, or any free one where that is in use, as `serve.json` shows."""


class ReconcilerMetricsSettings(BaseModel):
    """`/metrics` of the reconciler, without a key: let only the monitoring system reach it."""

    host: str = "127.0.0.1"
    port: Count | None = Field(default=None, ge=0, le=65535)
    """None: 8403, or any free one where that is in use, as `serve.json` shows."""


class CheckerMetricsSettings(BaseModel):
    """`/metrics` of the checker, without a key: let only the monitoring system reach it."""

    host: str = "127.0.0.1"
    port: Count | None = Field(default=None, ge=0, le=65535)
    """None: 8404, or any free one where that is in use, as `serve.json` shows."""


class VaultSettings(BaseModel):
    """Sealing of secrets."""

    key_file: Path
    """The key ring, readable by its owner only; without it no secret can be opened."""


class HostSettings(BaseModel):
    """What all hosts have in common."""

    sender_sources: tuple[str, ...] = ("127.0.0.1/32",)
    """Networks (CIDR) of the sender and of verification: the only ones admitted to port 587."""
    ssh_sources: tuple[str, ...] = ("0.0.0.0/0",)
    """Networks that may open SSH connections to hosts; must include the control plane's own."""
    package_sources: tuple[str, ...] = ()
    """Lines of a sources.list; empty: the sources of the image."""
    time_servers: tuple[str, ...] = ()
    """NTP servers that hosts follow, and by which each run measures their clocks; empty: Debian's
    pool. Better three than one: a majority decides."""
    forwarders: tuple[str, ...] = ()
    """Addresses of name servers that the hosts' resolvers ask; empty: from the root down."""
    trust_anchor: str | None = None
    """The root's key for the hosts' resolvers, a DS or DNSKEY record; None: the Internet's."""
    messages_a_day: Count = Field(default=50, ge=1)
    """Mails that a person may send in a day from a mailbox of a host with Mailu. They leave from
    the primary address, and count to no cap; bulk never goes this way."""


class VerificationSettings(BaseModel):
    """Verification of hosts and DNS from outside."""

    resolver: str | None = None
    """Address of the recursive name server to ask, `192.0.2.53` or with a port `192.0.2.53:5353`,
    `[2001:db8::53]:53`; None: the machine's own. It should validate signatures (DNSSEC), as those
    of large receivers do."""
    source: str | None = None
    """Source address of connections to hosts; None: chosen by the system."""
    dns_interval: Duration = timedelta(hours=1)
    """How often records and reverse names are checked that were right. A pass relies on such a
    check for three times as long, and checks itself what is wrong."""
    hosts_interval: Duration = timedelta(minutes=30)
    """The same for ports of hosts, certificates, relaying, and mail that leaves."""
    links_interval: Duration = timedelta(hours=1)
    """The same for names for links in mail."""
    at_once: Count = Field(default=64, ge=1)
    """Checks that the checker makes at the same time."""
    looks: Count = Field(default=3, ge=1)
    """Wrong looks at records that were right, one in each pass, before they are taken for wrong."""
    period: Duration = timedelta(minutes=30)
    """Time that has to be between the first of these looks and the last."""
    echo_mx: Annotated[str, Matching(f"^$|{DOMAIN_PATTERN}", FullName.remedy)] | None = None
    """Mail server that replies to RCPT with what it sees of a client: each host tries by it whether
    mail leaves its addresses. None: it is not tried."""

    @property
    def intervals(self) -> Intervals:
        """How often the checker checks."""
        return {
            CheckKind.DNS: self.dns_interval,
            CheckKind.HOSTS: self.hosts_interval,
            CheckKind.LINKS: self.links_interval,
        }

    @field_validator("resolver")
    @classmethod
    def _is_server(cls, server: str | None) -> str | None:
        parts = urlsplit(f"//{server}")
        if server and (parts.port == 0 or not _is_ip(parts.hostname)):
            msg = "it should be an IP address, with a port as 192.0.2.53:53 or [2001:db8::53]:53"
            raise ValueError(msg)
        return server

    @field_validator("source")
    @classmethod
    def _is_address(cls, address: str | None) -> str | None:
        if address and not _is_ip(address):
            raise ValueError("it should be an IP address")
        return address


def _is_ip(text: str | None) -> bool:
    try:
        ip_address(text or "")
    except ValueError:
        return False
    return True


class MailSettings(BaseModel):
    """The sender."""

    token_key: TokenKey
    """At least 32 random bytes in hexadecimal: return paths and unsubscribe links."""
    token_keys: LaterKeys = {}
    """Those that followed it, by id from 1 to 31: the highest signs, all are read."""
    public_url: str = "http://127.0.0.1:8401"
    """Where `/u/{token}` is served to recipients."""
    unsubscribe_address: MailAddress | None = None
    """Mailbox for `mailto:` in List-Unsubscribe: what comes there must be posted to `/u`. None: no
    `mailto:`."""
    helo: str | None = None
    """HELO name of the sender at our hosts; None: the machine's name."""
    lists: bool = False
    """Whether claimed mail waits in lists in Redis, from which any sender takes it."""
    stop_within: Duration = timedelta(seconds=600)
    """How long, after SIGTERM, the answers to mails are awaited that hosts have completely: without
    them it is unknown whether they were sent."""

    @field_validator("public_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        try:
            urlsplit(url)
        except ValueError:  # brackets without an address
            msg = "write a URL such as https://go.penguinmails.example"
            raise ValueError(msg) from None
        return url


class Settings(BaseSettings):
    """Everything; `repr` shows no secret."""

    model_config = SettingsConfigDict(
        env_prefix=settings.PREFIX, env_nested_delimiter="__", extra="ignore"
    )

    platform: Platform
    database: DatabaseSettings
    redis: RedisSettings = RedisSettings()
    api: ApiSettings
    public: PublicSettings = PublicSettings()
    https: HttpsSettings = HttpsSettings()
    metrics: MetricsSettings = MetricsSettings()
    reconciler_metrics: ReconcilerMetricsSettings = ReconcilerMetricsSettings()
    checker_metrics: CheckerMetricsSettings = CheckerMetricsSettings()
    vault: VaultSettings
    mail: MailSettings
    hosts: HostSettings = HostSettings()
    verification: VerificationSettings = VerificationSettings()
    images: ImageSettings = ImageSettings()
    reconciler: ReconcilerSettings = ReconcilerSettings()
    certificates: CertificateSettings = CertificateSettings()

    @model_validator(mode="after")
    def _keep_public_name(self) -> Self:
        """Keep the name of the public endpoints from tenants, as a name of the platform."""
        host = urlsplit(self.mail.public_url).hostname or ""
        if re.fullmatch(DOMAIN_PATTERN, host):
            names = tuple(dict.fromkeys((*self.platform.names, host)))
            self.platform = self.platform.model_copy(update={"names": names})
        return self

    @classmethod
    def read(cls, state_dir: Path) -> Settings:
        """Read the settings of a state directory; raises `settings.missing`, `settings.invalid`."""
        file = state_dir / SETTINGS_FILE
        if not file.exists():
            raise SETTINGS_MISSING(where=file)
        return settings.read(cls, file)
