"""Composes and signs mail in a thread, with the domains' keys kept parsed.

The event loop carries the dialogues with all hosts. A signature takes longer than composing, and
OpenSSL makes it without holding the interpreter. The way into the thread and back costs half a
mail, so mails that wait at the same time go together. A second thread would get no more done: one
composes faster than the loop hands over, and they would wait for each other's turns.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Lock
from uuid import UUID

from sender.compose import compose
from sender.directory import SendingDomain, dkim_context
from sender.dispatch.keys import Opener
from sender.dkim import Signer
from sender.footer import Footer
from sender.schemas import OutgoingMessage

BATCHES = 2
"""Under way: the thread goes on while the loop has not looked at the last one's mails yet."""
TOGETHER = 16
"""Mails of a batch at most."""
LARGE = 100_000
"""Characters of a mail that is composed apart, like one with files."""
KEYS = 20_000
"""Parsed keys that are kept; each has 2 KB."""
PREPARED = 5_000
"""Of them, those that keep what the first signature computes: 6 KB, and as long as a signature."""


class Signers:
    """The signers of domains, the least recently used forgotten first. Used by many threads."""

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
        self._thread = ThreadPoolExecutor(1, "compose")
        self._free = BATCHES
        self._waiting: deque[_Mail] = deque()
        self._apart = ThreadPoolExecutor(1, "compose-large")
        """So that nobody waits behind a mail of many megabytes."""

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
        loop.call_soon(self._begin, loop)  # after what else becomes ready in this round
        return await mail.written

    def close(self) -> None:
        """End the threads, once nobody waits for a mail."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._apart.shutdown(wait=False, cancel_futures=True)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give what waits to the thread, in equal shares."""
        while self._waiting and self._free:
            share = min(-(-len(self._waiting) // self._free), TOGETHER)
            mails = [self._waiting.popleft() for _ in range(share)]
            self._free -= 1
            running = loop.run_in_executor(self._thread, _write_all, mails)
            running.add_done_callback(partial(self._end, loop, mails))

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        mails: Sequence[_Mail],
        done: asyncio.Future[list[bytes | Exception]],
    ) -> None:
        if done.cancelled():  # closed
            return
        self._free += 1
        self._begin(loop)
        for mail, result in zip(mails, done.result(), strict=True):
            if mail.written.done():  # its caller was cancelled
                continue
            if isinstance(result, bytes):
                mail.written.set_result(result)
            else:
                mail.written.set_exception(result)


@dataclass(frozen=True)
class _Mail:
    """A mail that waits for a thread."""

    work: Callable[[], bytes]
    written: asyncio.Future[bytes]


def _write_all(mails: Sequence[_Mail]) -> list[bytes | Exception]:
    return [_result(mail.work) for mail in mails]


def _result(work: Callable[[], bytes]) -> bytes | Exception:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - raised where that mail is awaited
        return error
