"""What the containers read of Mailu's environment, and what of it this stand-in refuses."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.mailu.admin.settings import FOREIGN, KNOWN

PORTS = frozenset({25, 80, 443, 465, 993})
"""Those that the stand-in can listen at."""
ONLY = {
    "ANTIVIRUS": {"none"},
    "FULL_TEXT_SEARCH": {"off"},
    "FULL_TEXT_SEARCH_ATTACHMENTS": {"false"},
    "PROXY_PROTOCOL": {""},
    "REAL_IP_FROM": {""},
    "REAL_IP_HEADER": {""},
    "RELAYHOST": {""},
    "RELAYPASSWORD": {""},
    "RELAYUSER": {""},
    "SCAN_MACROS": {"false"},
    "SUBNET6": {""},
    "TLS_FLAVOR": {"cert"},
    "WEBDAV": {"none"},
    "WEBMAIL": {"none", "roundcube"},
}
"""Settings of which the stand-in has these values alone; in small letters."""
PAUSE = 1.0


class Refused(Exception):
    """The stand-in does not start with this environment; the text says why."""


@dataclass(frozen=True)
class Environment:
    """The settings of the mail containers."""

    values: Mapping[str, str]

    @property
    def subnet(self) -> str:
        """The network of the containers, which smtp trusts."""
        return self.values.get("SUBNET", "192.168.203.0/24")

    @property
    def relay_networks(self) -> list[str]:
        """Further networks that smtp trusts."""
        return _items(self.values.get("RELAYNETS", ""))

    @property
    def domain(self) -> str:
        """The domain of the installation."""
        return self._required("DOMAIN")

    @property
    def hostname(self) -> str:
        """The name by which it greets other servers: the first."""
        return _items(self._required("HOSTNAMES"))[0]

    @property
    def postmaster(self) -> str:
        """Who gets what is addressed to the system."""
        return f"{self.values.get('POSTMASTER', 'postmaster')}@{self.domain}"

    @property
    def delimiter(self) -> str:
        """The characters that separate a detail from the local part."""
        return self.values.get("RECIPIENT_DELIMITER", "")

    @property
    def size_limit(self) -> int:
        """Octets of the largest message."""
        return int(self.values.get("MESSAGE_SIZE_LIMIT", "50000000"))

    @property
    def tls_level(self) -> str:
        """How strictly mail leaves by TLS."""
        return self.values.get("OUTBOUND_TLS_LEVEL", "dane")

    @property
    def ports(self) -> frozenset[int]:
        """What front listens at."""
        return frozenset(map(int, _items(self._required("PORTS"))))

    @property
    def webmail(self) -> bool:
        """Whether there is a webmail."""
        return self.values.get("WEBMAIL", "none").lower() not in ("", "none")

    def yes(self, name: str, default: str) -> bool:
        """Whether a switch is on."""
        return self.values.get(name, default).lower() in ("true", "yes")

    def address(self, service: str) -> str:
        """Return the address that a service has now; waits until its name resolves."""
        name = self.values.get(f"{service.upper()}_ADDRESS", service)
        while True:
            try:
                return str(socket.getaddrinfo(name, None, socket.AF_INET)[0][4][0])
            except OSError as error:
                print(f"stand-in: {name}: {error}", flush=True)
            time.sleep(PAUSE)  # nothing says when a name has an address

    def _required(self, name: str) -> str:
        value = self.values.get(name, "")
        if not value:
            raise Refused(f"{name} is not set")
        return value


def read(environ: Mapping[str, str]) -> Environment:
    """Return the environment. Raises Refused for a name or value that the stand-in lacks."""
    unknown = [name for name in environ if name not in KNOWN and not FOREIGN.fullmatch(name)]
    if unknown:
        raise Refused(f"the stand-in knows no setting {', '.join(sorted(unknown))}")
    for name, known in ONLY.items():
        if environ.get(name, "").lower() not in known | {""}:
            raise Refused(f"the stand-in has no {name}={environ[name]}")
    environment = Environment(environ)
    if "PORTS" in environ and not environment.ports <= PORTS:
        others = ", ".join(map(str, sorted(environment.ports - PORTS)))
        raise Refused(f"the stand-in has no PORTS={others}")
    return environment


def resolvers(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Return the addresses of this container's name servers."""
    words = [line.split() for line in file.read_text().splitlines()]
    return [line[1] for line in words if line[:1] == ["nameserver"]]


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
