"""Mailu's environment variables: those that admin reads, and those that others read.

An unknown name ends the start. Mailu ignores it; we do not want to rely on what it lacks.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.mailu.admin.counters import Limit, Limits, Network

ADMIN = {
    "ADMIN": "none",
    "API": "false",
    "API_TOKEN": None,
    "AUTH_RATELIMIT_EXEMPTION": "",
    "AUTH_RATELIMIT_EXEMPTION_LENGTH": "86400",
    "AUTH_RATELIMIT_IP": "5/hour",
    "AUTH_RATELIMIT_IP_V4_MASK": "24",
    "AUTH_RATELIMIT_IP_V6_MASK": "48",
    "AUTH_RATELIMIT_USER": "50/day",
    "AUTH_REQUIRE_TOKENS": "false",
    "CREDENTIAL_ROUNDS": "12",
    "DB_FLAVOR": None,
    "DEFAULT_QUOTA": "1000000000",
    "DEFAULT_SPAM_THRESHOLD": "80",
    "DEFER_ON_TLS_ERROR": "true",
    "DISABLE_STATISTICS": "false",
    "DKIM_PATH": "/dkim/{domain}.{selector}.key",
    "DKIM_SELECTOR": "dkim",
    "DMARC_RUA": None,
    "DMARC_RUF": None,
    "DOMAIN": None,
    "FETCHMAIL_ENABLED": "true",
    "FULL_TEXT_SEARCH": "en",
    "FULL_TEXT_SEARCH_ATTACHMENTS": "false",
    "HOSTNAMES": None,
    "INBOUND_TLS_ENFORCE": "false",
    "LOG_LEVEL": "INFO",
    "MESSAGE_RATELIMIT": "200/day",
    "MESSAGE_RATELIMIT_EXEMPTION": "",
    "PORTS": "25,80,443,465,993,995,4190",
    "POSTMASTER": "postmaster",
    "RECIPIENT_DELIMITER": "",
    "SECRET_KEY": None,
    "SITENAME": "Mailu",
    "SQLALCHEMY_DATABASE_URI": "sqlite:////data/main.db",
    "SUBNET": "192.168.203.0/24",
    "SUBNET6": None,
    "TLS_FLAVOR": "cert",
    "TLS_PERMISSIVE": "true",
    "TZ": "Etc/UTC",
    "WEBMAIL": "none",
    "WEBSITE": "https://mailu.io",
    "WEB_ADMIN": "/admin",
    "WEB_API": "/api",
    "WEB_WEBMAIL": "/webmail",
    "WILDCARD_SENDERS": "",
}
"""Admin's own settings and their defaults; each of them may come from the file of `<NAME>_FILE`."""
FITS = "I_KNOW_MY_SETUP_DOESNT_FIT_REQUIREMENTS_AND_WONT_FILE_ISSUES_WITHOUT_PATCHES"
"""Mailu's switch for starting outside Docker."""
OTHERS = {
    "ANTIVIRUS",
    "ANTIVIRUS_ACTION",
    "BIND_ADDRESS4",
    "BIND_ADDRESS6",
    "CPU_COUNT",
    FITS,
    "INITIAL_ADMIN_ACCOUNT",
    "INITIAL_ADMIN_DOMAIN",
    "INITIAL_ADMIN_MODE",
    "INITIAL_ADMIN_PW",
    "LD_PRELOAD",
    "MESSAGE_SIZE_LIMIT",
    "OUTBOUND_TLS_LEVEL",
    "PROXY_PROTOCOL",
    "REAL_IP_FROM",
    "REAL_IP_HEADER",
    "REJECT_UNLISTED_RECIPIENT",
    "RELAYHOST",
    "RELAYNETS",
    "RELAYPASSWORD",
    "RELAYUSER",
    "SCAN_MACROS",
    "WEBDAV",
}
"""Settings that are plain environment: of the start, of other containers, of the compose file."""
SERVICES = ("ADMIN", "ANTISPAM", "FRONT", "IMAP", "REDIS", "RESOLVER", "SMTP", "WEBDAV", "WEBMAIL")
KNOWN = {
    *ADMIN,
    *(f"{name}_FILE" for name in ADMIN),
    *OTHERS,
    *(f"{service}_ADDRESS" for service in SERVICES),
}
FOREIGN = re.compile(
    r"PATH|HOME|HOSTNAME|PWD|OLDPWD|SHLVL|TERM|LANG|LANGUAGE|USER|LOGNAME|SHELL|TMPDIR|container|_"
    r"|LC_\w+|PYTHON\w+|DEBIAN_FRONTEND"
)
"""Names that systems, shells and Python set; every other name is taken for one of Mailu's."""


class NotStarted(Exception):
    """The environment does not let admin start; the text says why."""


@dataclass(frozen=True)
class Settings:
    """What the environment says."""

    domain: str
    hostname: str
    secret_key: str
    api_token: str | None
    database: Path
    dkim_path: str
    limits: Limits
    services: Mapping[str, str]
    threads: int
    dkim_selector: str = "dkim"
    api_root: str = "/api"
    dmarc_rua: str | None = None
    dmarc_ruf: str | None = None
    ports: frozenset[int] = frozenset({25, 80, 443, 465, 993, 995, 4190})
    tls: bool = True
    inbound_tls_enforce: bool = False
    rounds: int = 12
    require_tokens: bool = False
    delimiters: str = ""
    wildcard_senders: tuple[str, ...] = ()
    sender_exempt: tuple[str, ...] = ()
    spam_threshold: int = 80
    networks: tuple[str, ...] = ("192.168.203.0/24",)
    all_families: bool = False
    log_level: str = "INFO"
    webmail: bool = False
    web_home: str = "/admin"
    """Where people are led who have logged in."""


def read(environ: Mapping[str, str]) -> Settings:
    """Return what the environment says. Raises NotStarted."""
    unknown = [name for name in environ if name not in KNOWN and not FOREIGN.fullmatch(name)]
    if unknown:
        raise NotStarted(f"the stand-in knows no setting {', '.join(sorted(unknown))}")
    values = {name: _value(environ, name) for name in ADMIN}
    try:
        return _settings(environ, values)
    except ValueError as error:
        raise NotStarted(str(error)) from error


def _settings(environ: Mapping[str, str], values: Mapping[str, str | None]) -> Settings:
    def text(name: str) -> str:
        value = values[name]
        if value is None:
            raise NotStarted(f"{name} is not set")
        return value

    if values["DB_FLAVOR"] not in (None, "sqlite"):
        raise NotStarted("the stand-in keeps its objects in SQLite only")
    path = text("SQLALCHEMY_DATABASE_URI")
    if not path.startswith("sqlite:///"):
        raise NotStarted("the stand-in keeps its objects in SQLite only")
    webmail = text("WEBMAIL").lower() != "none"
    limits = Limits(
        Limit.parse(text("AUTH_RATELIMIT_IP")),
        Limit.parse(text("AUTH_RATELIMIT_USER")),
        Limit.parse(text("MESSAGE_RATELIMIT")),
        tuple(map(_network, _list(text("AUTH_RATELIMIT_EXEMPTION")))),
        int(text("AUTH_RATELIMIT_EXEMPTION_LENGTH")),
        int(text("AUTH_RATELIMIT_IP_V4_MASK")),
        int(text("AUTH_RATELIMIT_IP_V6_MASK")),
    )
    return Settings(
        domain=text("DOMAIN"),
        hostname=_list(text("HOSTNAMES"))[0],
        secret_key=text("SECRET_KEY"),
        api_token=values["API_TOKEN"],
        database=Path(path.removeprefix("sqlite:///")),
        dkim_path=text("DKIM_PATH"),
        limits=limits,
        services={s: environ.get(f"{s}_ADDRESS", s.lower()) for s in SERVICES},
        threads=int(environ.get("CPU_COUNT") or os.cpu_count() or 1),
        dkim_selector=text("DKIM_SELECTOR"),
        api_root=text("WEB_API"),
        dmarc_rua=values["DMARC_RUA"],
        dmarc_ruf=values["DMARC_RUF"],
        ports=frozenset(map(int, _list(text("PORTS")))),
        tls=text("TLS_FLAVOR") != "notls",
        inbound_tls_enforce=_yes(text("INBOUND_TLS_ENFORCE")),
        rounds=int(text("CREDENTIAL_ROUNDS")),
        require_tokens=_yes(text("AUTH_REQUIRE_TOKENS")),
        delimiters=text("RECIPIENT_DELIMITER"),
        wildcard_senders=tuple(_list(text("WILDCARD_SENDERS").lower())),
        sender_exempt=tuple(_list(text("MESSAGE_RATELIMIT_EXEMPTION").lower())),
        spam_threshold=int(text("DEFAULT_SPAM_THRESHOLD")),
        networks=tuple(n for n in (values["SUBNET"], values["SUBNET6"]) if n),
        all_families=bool(values["SUBNET6"]),
        log_level=text("LOG_LEVEL"),
        webmail=webmail,
        web_home=text("WEB_WEBMAIL" if webmail else "WEB_ADMIN"),
    )


def _value(environ: Mapping[str, str], name: str) -> str | None:
    """Return a setting: its file comes first, without the blanks around its content."""
    file = environ.get(f"{name}_FILE")
    if file is None:
        return environ.get(name, ADMIN[name])
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise NotStarted(f"{name}_FILE: {error}") from error


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)


def _yes(text: str) -> bool:
    return text.lower() in ("true", "yes")
