"""An echo MX on this machine, and hosts that are this machine."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from aiosmtpd.smtp import SMTP, Envelope, Session

from controlplane.ansible.faults import UNREACHABLE
from controlplane.reconciler.ports import CloudState, Login, ObservedHost
from kit.paths import checkout

from .mail_server import MailServer

PROGRAM = checkout() / "playbooks/roles/outbound/files/penguin_outbound.py"


@dataclass
class EchoServer(MailServer):
    """Reports what it sees of a client, as docs/operations.md has it."""

    mx: ClassVar[str] = "localhost"
    closed: set[str] = field(default_factory=set)
    """Addresses whose connections are cut off."""
    garbled: set[str] = field(default_factory=set)
    """Addresses whose encryption is broken on the way."""
    replies_to: dict[str, str] = field(default_factory=dict)
    """Instead of `reply`, by address: what something on the way answers."""
    greets: dict[str, bytes] = field(default_factory=dict)
    """Greetings by address that end the dialogue."""
    reply: str = "550 5.7.1 <echo>: Recipient rejected: source={source} helo={helo} tls={tls}"
    dialogues: int = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.dialogues += 1
        peer, tls = session.peer, "TLSv1.3" if session.ssl else "none"
        source = peer[0] if peer else ""
        reply = self.replies_to.get(source, self.reply)
        return reply.format(source=source, helo=session.host_name, tls=tls)

    def protocol(self, directory: Path, loop: asyncio.AbstractEventLoop) -> SMTP:
        """Make the server's side of one connection, which is cut off if it is closed."""
        protocol = super().protocol(directory, loop)
        made = protocol.connection_made

        def connection_made(transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            peer = transport.get_extra_info("peername")[0]
            if peer in self.garbled:
                protocol.tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # no certificate
            transport.write(self.greets.get(peer, b""))
            made(transport)
            if peer in self.greets:
                transport.close()
            if peer in self.closed:
                transport.abort()

        protocol.connection_made = connection_made  # type: ignore[method-assign]  # per connection
        return protocol


class LocalShell:
    """Hosts whose addresses are this machine's: their program runs here."""

    def __init__(self, state: CloudState, echo: EchoServer, directory: Path) -> None:
        self.dead: set[str] = set()
        """Names of hosts without a login."""
        self.missing: set[str] = set()
        """Names of hosts without the program."""
        self.commands: list[str] = []
        self.seen: list[tuple[str, str]] = []
        """Host and address of each tunnel."""
        self.configs: dict[str, dict[str, Any]] = {
            host.name: {
                "mx": echo.mx,
                "port": echo.port,
                "addresses": [
                    {"name": address.name, "ip": address.ip, "helo": address.helo}
                    for address in host.addresses
                    if address.ip
                ],
            }
            for host in state.hosts
        }
        self.directory = directory

    def run(self, host: ObservedHost, login: Login, command: str) -> tuple[int, str]:
        """Run the program with the host's configuration."""
        if host.name in self.dead:
            raise UNREACHABLE(reason="connection refused", where=f"host/{host.name}")
        self.commands.append(command)
        if command == "true":
            return 0, ""
        if host.name in self.missing:
            return 127, ""
        config = self.directory / f"{host.name}.config"
        kept = self.directory / f"{host.name}.kept"
        config.write_text(json.dumps(self.configs[host.name]))
        _, *options = command.split()
        files = [f"--config={config}", f"--kept={kept}"]
        done = subprocess.run(
            [sys.executable, PROGRAM, *options, *files],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout

    @contextmanager
    def tunnel(
        self, host: ObservedHost, login: Login, ip: str, port: int
    ) -> Iterator[socket.socket]:
        """Connect from here."""
        self.seen.append((host.name, ip))
        try:
            stream = socket.create_connection((ip, port), timeout=5)
        except OSError:
            stream, end = socket.socketpair()
            end.close()
        with stream:
            stream.setblocking(False)
            yield stream
