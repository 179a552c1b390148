"""PostgreSQL for several packages: connection options, roles, advisory locks."""

from __future__ import annotations

from enum import IntEnum, StrEnum, unique
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

LIMITS = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s"}
"""Time limits for a client that hangs. `penguin db upgrade` stores them with each role: a pooler
such as PgBouncer takes no settings of a session from a client."""


def connection_options(application: str, **session: str) -> dict[str, Any]:
    """Return an application's connection options (psycopg), with settings of its session.

    The loss of the server is detected within about a minute. A server that requests the password in
    clear text does not get it: ours has a SCRAM verifier, so it would be another one at the same
    address.
    """
    options: dict[str, Any] = {
        "application_name": application,
        "require_auth": "!password",
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
        # A pooler may give each transaction another session, which knows no statement that an
        # earlier one prepared.
        "prepare_threshold": None,
    }
    if session:
        options["options"] = " ".join(f"-c {name}={value}" for name, value in session.items())
    return options


def is_pooled(connection: Any) -> bool:
    """Return whether a connection (psycopg) goes through a pooler, which may change its session."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    return bool(row[0] != connection.info.backend_pid)


class Role(StrEnum):
    """The database logins of an installation; row policies and privileges differ by role."""

    API = "api"
    """A tenant's own key: sees that tenant only."""
    OPERATOR = "operator"
    CONTROLLER = "controller"
    """The reconciler."""
    SENDER = "sender"
    PUBLIC = "public"
    """Recipients who follow a link in a mail: can unsubscribe. It reads only the certificates of
    names of the public endpoints, and answers to challenges."""
    ENGINE = "engine"
    """Pulumi: its state, in a schema of its own."""
    JOURNAL = "journal"
    """The purchase journal and its limiter."""


def role_dsn(dsn: str, login: str, password: str) -> str:
    """Return a DSN (`postgresql://…`) with another login."""
    url = urlsplit(dsn)
    server = url.netloc.rpartition("@")[2]
    account = f"{quote(login, safe='')}:{quote(password, safe='')}"
    return urlunsplit(url._replace(scheme="postgresql", netloc=f"{account}@{server}"))


def without_login(dsn: str) -> str:
    """Return a DSN without user and password."""
    url = urlsplit(dsn)
    query = [(k, v) for k, v in parse_qsl(url.query) if k not in ("user", "password")]
    server = url.netloc.rpartition("@")[2]
    # `urlunsplit` omits the slashes of a scheme it does not know where no server is named.
    return f"{url.scheme}://{server}{url.path}" + (f"?{urlencode(query)}" if query else "")


def role_name(installation: str, role: Role) -> str:
    """Return a role's name. Roles belong to the whole server, which installations may share."""
    return f"penguin_{installation}_{role}"


def with_roles(statements: str, installation: str) -> str:
    """Replace `{api}`, `{operator}` and so on in SQL by the names of the roles."""
    for role in Role:
        statements = statements.replace(f"{{{role}}}", role_name(installation, role))
    return statements


@unique
class AdvisoryLock(IntEnum):
    """Numbers of PostgreSQL's advisory locks, one for each purpose."""

    UPGRADE = 0x70656E01
    """One upgrade of a database's schemas at a time."""
    SENDER_UPGRADE = 0x70656E02
    """The sender's part of an upgrade, which can run alone."""
    JOURNAL_SCHEMA = 0x70656E03
    """One process at a time creates the purchase journal's tables."""
    IDEMPOTENCY_KEY = 0x70656E05
    """One request per idempotency key at a time; the second number is the key's hash."""
    DOMAINS = 0x70656E06
    """One claim at a time below a registered domain, whose hash is the second number."""
    QUEUE_UPKEEP = 0x70656E07
    """One worker at a time makes and drops the queue's partitions."""
    MAINTENANCE = 0x70656E08
    """One sender at a time makes and drops the partitions of messages and events."""
    QUOTA = 0x70656E09
    """One transaction at a time compares a tenant with a limit; the second number is its hash."""
    IMAGES = 0x70656E0A
    """One operator at a time pins images."""
    ACME_ORDERS = 0x70656E0B
    """One order of a certificate at a time below a registered domain, the second number's hash."""
    ORDERS = 0x70656E0D
    """One order at a time is compared with the limits on all of them."""
    FENCE = 0x70656E0C
    """Held while a change of a tenant is under way at a provider; the second number is the hash of
    its fence."""


def storable(text: str) -> str:
    """Return an external text without NUL and lone surrogates, which PostgreSQL cannot store."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()
