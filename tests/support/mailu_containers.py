"""All containers of the stand-in on a bridge of their own, with settings as hosts have them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import authority
from tests.support.containers import ADDRESSES, SUBNET, Containers
from tests.support.plain_http import plain_client
from tests.support.waiting import wait_for

TOKEN = "contract-token-of-the-stand-in-0123456789"
HOSTNAME = "mx.platform.test"
ENVIRONMENT = {
    "ANTIVIRUS": "none",
    "API": "false",
    "API_TOKEN": TOKEN,
    "AUTH_REQUIRE_TOKENS": "True",
    "CPU_COUNT": "2",
    "CREDENTIAL_ROUNDS": "1",
    "DISABLE_STATISTICS": "True",
    "DKIM_SELECTOR": "mu1",
    "DOMAIN": "platform.test",
    "FULL_TEXT_SEARCH": "off",
    "HOSTNAMES": HOSTNAME,
    "MESSAGE_RATELIMIT": "50/day",
    "OUTBOUND_TLS_LEVEL": "may",
    "PORTS": "25,80,443,465,993",
    "RECIPIENT_DELIMITER": "+",
    "SCAN_MACROS": "False",
    "SECRET_KEY": "0123456789abcdef",
    "SUBNET": SUBNET,
    "TLS_FLAVOR": "cert",
    "WEBMAIL": "roundcube",
    "WEBMAIL_ADDRESS": ADDRESSES["webmail"],  # no name server knows the containers
}
VOLUMES = {
    "admin": [("data", "/data"), ("dkim", "/dkim")],
    "antispam": [("filter", "/var/lib/rspamd"), ("overrides/rspamd", "/overrides")],
    "front": [("certs", "/certs"), ("overrides/nginx", "/overrides")],
    "imap": [("mail", "/mail"), ("overrides/dovecot", "/overrides")],
    "redis": [("redis", "/data")],
    "smtp": [("mailqueue", "/queue"), ("overrides/postfix", "/overrides")],
    "webmail": [("webmail", "/data"), ("overrides/roundcube", "/overrides")],
}
REST = ("antispam", "imap", "smtp", "front", "webmail")
READY = {
    "admin": (8080,),
    "antispam": (11332,),
    "imap": (143, 2525),
    "smtp": (25, 10025),
    "front": (25, 993),
    "webmail": (80,),
}
"""Ports that a part listens at when it has started."""
START_SECONDS = 180.0
NAMES = ("python3", "-m", "tests.support.name_server")
RETURN_PATHS = r"""
return_paths {
  priority = high;
  rcpt = "/^(?:[^@]+@b\.|penguinmails@)/i";
  apply {
    symbols_disabled = ["GREYLIST_CHECK", "GREYLIST_SAVE", "FORBIDDEN_EXTENSION", "GTUBE"];
    actions {
      greylist = null;
      reject = null;
    }
  }
}
"""
"""What a host's overrides say of return paths and of our mailbox: no refusal, no delay."""


@dataclass(frozen=True)
class Mailu:
    """Running containers."""

    containers: Containers
    root: str
    """Of admin, through a tunnel."""
    authority: authority.Certificate
    directory: Path

    def lay_certificate(self) -> None:
        """Lay a new certificate of the test's authority."""
        _lay_certificate(self.containers, self.directory, self.authority)


@contextmanager
def running_mailu(directory: Path, lower: str) -> Iterator[Mailu]:
    """Run all containers; yields when each of them answers."""
    with Containers(directory, lower, ENVIRONMENT, VOLUMES) as containers:
        ca = authority.create(directory)
        _lay_certificate(containers, directory, ca)
        overrides = containers.volume("overrides/rspamd")
        (overrides / "settings.conf").write_text(RETURN_PATHS)
        containers.start("resolver", NAMES)
        for part in ("redis", "admin"):
            containers.start(part)
        wait_until_ready(containers, "admin")
        root = f"http://{containers.tunnel('admin', *READY['admin'])}"
        _make_domain(root, ENVIRONMENT["DOMAIN"])
        for part in REST:
            containers.start(part)
        for part in REST:
            wait_until_ready(containers, part)
        yield Mailu(containers, root, ca, directory)


def wait_until_ready(containers: Containers, part: str) -> None:
    """Return when a part accepts connections at its ports."""

    def accepts() -> bool:
        for port in READY[part]:
            containers.connect(part, port, timeout=5).close()
        return True

    wait_for(accepts, seconds=START_SECONDS)


def _make_domain(root: str, name: str) -> None:
    """Make a domain of this mail server."""
    with plain_client(root, {"Authorization": TOKEN}) as client:
        client.post("/api/v1/domain", json={"name": name}).raise_for_status()


def _lay_certificate(containers: Containers, directory: Path, ca: authority.Certificate) -> None:
    made = authority.issue(ca, directory, HOSTNAME, [f"DNS:{HOSTNAME}"])
    for name, source in (("key.pem", made.key), ("cert.pem", made.certificate)):
        beside = containers.volume("certs") / f".{name}"
        shutil.copy(source, beside)
        beside.rename(containers.volume("certs") / name)
