"""Pebble as a child of the lab: it issues for an hour, and verifies names by the lab's resolver.

Its issuing root is another one at each start.
"""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kit.waiting import wait_until
from lab import authority
from lab.authority import Certificate
from lab.commands import environment
from lab.faults import FAILED

COMMAND = "pebble"
TIED = ("setpriv", "--pdeathsig", "KILL")
"""Runs a program that ends with this process, however that ends."""
LIFE_SECONDS = 3600
BLOCKED = "blocked.example"
"""A domain that it issues nothing for."""
HTTP_PORT = 80
"""Where it asks for the file of HTTP-01."""
START_SECONDS = 20.0


@dataclass(frozen=True)
class Pebble:
    """A running authority."""

    port: int
    """On loopback."""
    root: Path
    """The certificate of the root that issues (PEM)."""
    ca: Path
    """By which its HTTPS is trusted (PEM)."""
    certificate: Certificate
    """Of its HTTPS."""

    def trust(self) -> ssl.SSLContext:
        """Return what trusts its HTTPS."""
        return ssl.create_default_context(cafile=self.ca)


def is_installed() -> bool:
    """Return whether this machine has it; the lab runs without, too."""
    return shutil.which(COMMAND, path=environment()["PATH"]) is not None


def start(
    stack: ExitStack,
    directory: Path,
    resolver: str,
    *,
    http_port: int = HTTP_PORT,
    mac_keys: Mapping[str, str] | None = None,
) -> Pebble:
    """Start it, until the stack ends; `resolver` is `host:port`.

    With `mac_keys`, by their numbers, it makes accounts only for who has one (RFC 8555 7.3.4).
    """
    directory.mkdir(parents=True, exist_ok=True)
    ca = authority.create(directory)
    certificate = authority.issue(ca, directory, COMMAND, ["IP:127.0.0.1"])
    port, management = _free_ports(2)
    made = Pebble(port, directory / "root.pem", ca.certificate, certificate)
    configuration = {
        "pebble": {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(certificate.certificate),
            "privateKey": str(certificate.key),
            "httpPort": http_port,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": bool(mac_keys),
            "externalAccountMACKeys": dict(mac_keys or {}),
            "domainBlocklist": [BLOCKED],
            "certificateValidityPeriod": LIFE_SECONDS,
        }
    }
    file = directory / "pebble.json"
    file.write_text(json.dumps(configuration))
    with (directory / "pebble.log").open("w") as log:
        process = subprocess.Popen(
            [*TIED, COMMAND, "-config", str(file), "-dnsserver", resolver],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environment(), "PEBBLE_VA_NOSLEEP": "1"},
        )
    stack.callback(_end, process)
    root = f"https://127.0.0.1:{management}/roots/0"
    if not wait_until(lambda: _save_root(root, made, process), seconds=START_SECONDS):
        raise FAILED(part=COMMAND, reason="it does not answer", where=log.name)
    return made


def _free_ports(count: int) -> list[int]:
    """Return ports of loopback that are free now."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in taken]


def _save_root(url: str, made: Pebble, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        reason = f"it ended with {process.returncode}"
        raise FAILED(part=COMMAND, reason=reason, where=made.root.parent)
    try:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=made.trust())
        )
        with opener.open(url, timeout=2) as answer:
            made.root.write_bytes(answer.read())
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
