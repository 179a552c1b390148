"""Composes and signs mail, with the domains' keys kept parsed.

The event loop does it itself, a few mails in each of its rounds. In a thread, mails took half as
much processor time again: it and the loop waited for each other's turns of the interpreter, at each
step of a dialogue (decision 0019). What runs beside a loop is another sender process.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from uuid import UUID

from sender.compose import compose
from sender.directory import SendingDomain, dkim_context
from sender.dispatch.keys import Opener
from sender.dkim import Signer
from sender.footer import Footer
from sender.schemas import OutgoingMessage

TOGETHER = 8
"""Mails of one round of the loop at most: whatever else is ready waits 3 ms for them."""
LARGE = 100_000
"""Characters of a mail that is composed apart, like one with files."""
KEYS = 20_000
"""Parsed keys that are kept; each has 2 KB."""
PREPARED = 5_000
"""Of them, those that keep what the first signature computes: 6 KB, and as long as a signature."""


class Signers:
    """The signers of domains, the least recently used forgotten first. Used by several threads."""

    def __init__(self, vault: Opener, *, limit: int = KEYS, prepared: int = PREPARED) -> None:
        """Know no key yet."""
        self._vault = vault
        self._limit = limit
        self._prepared = prepared
        self._known: OrderedDict[tuple[UUID, str], tuple[int, Signer]] = OrderedDict()
        self._used: OrderedDict[tuple[UUID, str], None] = OrderedDict()
        """Those that are prepared."""
        self._lock = Lock()

    def of(self, tenant_id: UUID, domain: SendingDomain) -> Signer:
        """Return the signer of a domain; a replaced key is parsed again."""
        key = (tenant_id, domain.name)
        version = hash((domain.selector, domain.sealed_dkim_key))  # the key has 2 KB
        with self._lock:
            known = self._known.get(key)
            if known is not None and known[0] == version:
                self._use(key)
                return known[1]
        pem = self._vault.open(domain.sealed_dkim_key, context=dkim_context(tenant_id, domain.name))
        signer = Signer.from_pem(domain.name, domain.selector, pem)
        with self._lock:
            self._known[key] = (version, signer)
            self._use(key)
            if len(self._known) > self._limit:
                forgotten, _ = self._known.popitem(last=False)
                self._used.pop(forgotten, None)
        return signer

    def _use(self, key: tuple[UUID, str]) -> None:
        self._known.move_to_end(key)
        self._used[key] = None
        self._used.move_to_end(key)
        if len(self._used) > self._prepared:
            resting, _ = self._used.popitem(last=False)
            version, signer = self._known[resting]
            self._known[resting] = (version, signer.unprepared())


class Composer:
    """Writes whole mails, ready to be handed over. Used by one event loop."""

    def __init__(self, vault: Opener) -> None:
        """Start no thread yet."""
        self._signers = Signers(vault)
        self._waiting: deque[_Mail] = deque()
        """While there are any, the next round of the loop writes some."""
        self._apart = ThreadPoolExecutor(1, "compose-large")
        """So that no other mail waits behind one of many megabytes."""

    async def write(
        self,
        message: OutgoingMessage,
        *,
        tenant_id: UUID,
        domain: SendingDomain,
        footer: Footer | None,
        message_id: str,
        unsubscribe_url: str,
        unsubscribe_mail: str | None = None,
        now: datetime,
    ) -> bytes:
        """Compose and sign; raises what `compose` raises, and VaultError."""

        def work() -> bytes:
            mail = compose(
                message,
                message_id=message_id,
                unsubscribe_url=unsubscribe_url,
                unsubscribe_mail=unsubscribe_mail,
                footer=footer,
                now=now,
            )
            return self._signers.of(tenant_id, domain).sign(mail, now)

        loop = asyncio.get_running_loop()
        if message.attachments or len(message.text or "") + len(message.html or "") > LARGE:
            return await loop.run_in_executor(self._apart, work)
        mail = _Mail(work, loop.create_future())
        self._waiting.append(mail)
        if len(self._waiting) == 1:
            loop.call_soon(self._write_some, loop)
        return await mail.written

    def close(self) -> None:
        """End the thread, once no mail is awaited."""
        self._apart.shutdown(wait=False, cancel_futures=True)

    def _write_some(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(min(len(self._waiting), TOGETHER)):
            mail = self._waiting.popleft()
            if mail.written.done():  # its caller was cancelled
                continue
            try:
                mail.written.set_result(mail.work())
            except Exception as error:  # noqa: BLE001 - raised where that mail is awaited
                mail.written.set_exception(error)
        if self._waiting:
            loop.call_soon(self._write_some, loop)


@dataclass(frozen=True)
class _Mail:
    """A mail that waits for its turn."""

    work: Callable[[], bytes]
    written: asyncio.Future[bytes]
