"""What admin does before it serves, in Mailu's order."""

from __future__ import annotations

import logging
import os
import pwd
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import dns.resolver

from lab.mailu.admin.settings import FITS, Settings

LOG = logging.getLogger("admin")
ACCOUNT = "mailu"
NAME = "example.org"
PAUSE = 5.0
INSIDE_DOCKER = Path("/.dockerenv")


class Resolver(Protocol):
    """Asks name servers."""

    def servers(self) -> list[str]:
        """Return the addresses of those to ask."""

    def is_validated(self, server: str, name: str) -> bool:
        """Whether a server's answer is marked as validated. Raises OSError if it has none."""


@dataclass(frozen=True)
class SystemResolver:
    """The name servers of resolv.conf."""

    port: int = 53

    def servers(self) -> list[str]:
        """Return the addresses of those to ask."""
        return [str(server) for server in dns.resolver.Resolver().nameservers]

    def is_validated(self, server: str, name: str) -> bool:
        """Whether a server's answer is marked as validated."""
        query = dns.message.make_query(name, dns.rdatatype.A, want_dnssec=True)
        query.flags |= dns.flags.AD
        try:
            answer = dns.query.udp(query, server, timeout=10, port=self.port)
        except dns.exception.DNSException as error:
            raise OSError(str(error)) from error
        if not answer.answer:
            raise OSError(f"no address of {name}")
        return bool(answer.flags & dns.flags.AD)


def become_mailu(settings: Settings) -> None:
    """Hand the directories of database and keys to Mailu's account, and go on as it.

    Without such an account admin stays who it is: outside an image.
    """
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        LOG.warning("there is no account %s: going on as %s", ACCOUNT, os.geteuid())
        return
    if os.geteuid() != 0:
        return
    for directory in (settings.database.parent, Path(settings.dkim_path).parent):
        directory.mkdir(parents=True, exist_ok=True)
        for path in (directory, *directory.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def wait_for_validation(resolver: Resolver, pause: Callable[[float], None] = time.sleep) -> None:
    """Return when each name server has validated a signed name; it asks for ever."""
    for server in resolver.servers():
        while not _validates(resolver, server):
            pause(PAUSE)


def _validates(resolver: Resolver, server: str) -> bool:
    try:
        validated = resolver.is_validated(server, NAME)
    except OSError as error:
        LOG.critical("the name server %s does not work: %s", server, error)
        return False
    if not validated:
        LOG.critical("the name server %s does not validate %s", server, NAME)
    return validated


def wait_for_docker(
    environ: Mapping[str, str],
    marker: Path = INSIDE_DOCKER,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for ever outside Docker, unless the environment has Mailu's switch against it."""
    while not marker.exists() and not environ.get(FITS):
        LOG.critical("this is no container of Docker")
        pause(PAUSE)
