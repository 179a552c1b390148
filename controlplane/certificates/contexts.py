"""The TLS contexts of names: each with its certificate, read when a client asks for the name.

Keys are opened in memory only: OpenSSL reads them from a file that no directory has.
"""

from __future__ import annotations

import os
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncEngine

from controlplane.certificates.repository import IssuedCertificate, current, key_context
from controlplane.database_faults import shown
from vault import Vault, VaultError

FRESH = 60.0
"""Seconds in which a certificate is not read again."""
KEPT = 2_000
"""Names that are remembered, with or without a certificate; a context has about 50 KB."""
LONGEST = 253
"""Characters of a name."""
AWAY = (exc.SQLAlchemyError, OSError)
log = structlog.get_logger(__name__)
Read = Callable[[str], Awaitable[IssuedCertificate | None]]


@dataclass(frozen=True)
class _Known:
    certificate: IssuedCertificate | None
    context: ssl.SSLContext | None
    read_at: float


@dataclass
class Contexts:
    """The contexts of names that were asked for lately, the least recent forgotten first."""

    read: Read
    vault: Vault
    """Opens the keys of these certificates, and nothing else."""
    other: Path | None = None
    """PEM file with chain and key for all other names; None: they have no context."""
    fresh: float = FRESH
    kept: int = KEPT
    monotonic: Callable[[], float] = time.monotonic
    _known: OrderedDict[str, _Known] = field(default_factory=OrderedDict)
    _other: tuple[int, ssl.SSLContext] | None = None
    """With the time of the file's last change."""

    async def of(self, name: str | None) -> ssl.SSLContext | None:
        """Return the context for a name; while the database is away, as it was."""
        known = None
        if name is not None and "." in name and len(name) <= LONGEST:
            known = self._known.get(name)
            if known is None or self.monotonic() - known.read_at >= self.fresh:
                known = await self._look(name, known)
        if known is None or known.context is None:
            return self._of_others()
        return known.context

    async def _look(self, name: str, known: _Known | None) -> _Known | None:
        try:
            certificate = await self.read(name)
        except AWAY as error:
            log.warning("certificate.not_read", name=name, error=shown(error))
            return known
        if known is None or certificate != known.certificate:
            context = None if certificate is None else self._opened(certificate)
        else:
            context = known.context
        known = self._known[name] = _Known(certificate, context, self.monotonic())
        self._known.move_to_end(name)
        if len(self._known) > self.kept:
            self._known.popitem(last=False)
        return known

    def _opened(self, certificate: IssuedCertificate) -> ssl.SSLContext | None:
        name = certificate.name
        try:
            key = self.vault.open(certificate.sealed_key, context=key_context(name))
            return _context(certificate.chain_pem.encode() + b"\n" + key)
        except (VaultError, ssl.SSLError) as error:
            log.warning("certificate.not_opened", name=name, error=str(error))
            return None

    def _of_others(self) -> ssl.SSLContext | None:
        if self.other is None:
            return None
        try:
            changed_at = self.other.stat().st_mtime_ns
            if self._other is None or self._other[0] != changed_at:
                self._other = changed_at, _context(self.other.read_bytes())
        except (OSError, ssl.SSLError) as error:  # it is being replaced, or was badly
            log.warning("certificate.not_read", file=str(self.other), error=str(error))
        return None if self._other is None else self._other[1]


def from_database(engine: AsyncEngine) -> Read:
    """Return what reads the certificate of a name, as the public role sees it."""

    async def read(name: str) -> IssuedCertificate | None:
        async with engine.connect() as connection:
            return (await current(connection, [name])).get(name)

    return read


def _context(pem: bytes) -> ssl.SSLContext:
    """Return a server's context with a chain and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context
