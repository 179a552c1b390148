"""Composing: each caller gets his own mail or fault, the loop goes on, keys are parsed once."""

from __future__ import annotations

import asyncio
import base64
import threading
from datetime import UTC, datetime
from email import message_from_bytes
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kit.faults import Fault
from sender.composer import Composer, Signers
from sender.directory import SendingDomain
from sender.footer import Footer
from sender.schemas import OutgoingMessage

TENANT = UUID(int=7)
PEM = rsa.generate_private_key(65537, 2048).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


class Vault:
    """Opens every key, and notes which, and in which threads."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.threads: set[int] = set()

    def open(self, sealed: str, *, context: str) -> bytes:
        self.opened.append(f"{context} {sealed}")
        self.threads.add(threading.get_ident())
        return PEM


def domain(name: str = "acme.example", sealed: str = "sealed") -> SendingDomain:
    return SendingDomain(
        name=name,
        return_path=f"b.{name}",
        selector="pm1",
        sealed_dkim_key=sealed,
        verified=True,
    )


async def write(composer: Composer, subject: str, **changes: object) -> bytes:
    fields = {"from": "sales@acme.example", "to": "bob@rcpt.example", "text": "Hello"}
    return await composer.write(
        OutgoingMessage.model_validate(fields | {"subject": subject} | changes),
        tenant_id=TENANT,
        domain=domain(),
        footer=Footer("Acme Inc., Springfield") if subject != "no footer" else None,
        message_id="<1@acme.example>",
        unsubscribe_url="https://app.penguinmails.example/u/abc",
        now=datetime(2026, 11, 24, 12, tzinfo=UTC),
    )


@pytest.fixture
def vault() -> Vault:
    return Vault()


async def test_mails_written_at_the_same_time_reach_their_own_callers(vault: Vault) -> None:
    composer = Composer(vault)
    subjects = [f"mail {number}" for number in range(50)]
    large = {"content": base64.b64encode(bytes(100_000)).decode()}
    written = await asyncio.gather(
        *(write(composer, subject) for subject in subjects),
        write(composer, "with a file", attachments=[large]),
        write(composer, "no footer"),
        return_exceptions=True,
    )
    composer.close()
    assert isinstance(written[-1], Fault)
    mails = [message_from_bytes(mail) for mail in written[:-1] if isinstance(mail, bytes)]
    assert [mail["Subject"] for mail in mails] == [*subjects, "with a file"]
    assert all("d=acme.example" in mail["DKIM-Signature"] for mail in mails)


async def test_loop_goes_on_while_many_mails_are_written(vault: Vault) -> None:
    composer, loop = Composer(vault), asyncio.get_running_loop()
    tasks = [asyncio.create_task(write(composer, f"mail {number}")) for number in range(50)]
    seen = set()

    def look() -> None:
        seen.add(sum(task.done() for task in tasks))
        if not all(task.done() for task in tasks):
            loop.call_soon(look)

    loop.call_soon(look)
    await asyncio.gather(*tasks)
    composer.close()
    assert len(seen) > 5


async def test_mail_with_files_is_written_in_a_thread(vault: Vault) -> None:
    composer = Composer(vault)
    large = {"content": base64.b64encode(bytes(100_000)).decode()}
    await write(composer, "with a file", attachments=[large])
    composer.close()
    assert vault.threads
    assert threading.get_ident() not in vault.threads


def test_key_that_rests_signs_again(vault: Vault) -> None:
    signers = Signers(vault, prepared=1)
    a, b = domain("a.example"), domain("b.example")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    mail = b"From: a@a.example\r\n\r\nHello\r\n"
    before = signers.of(TENANT, a).sign(mail, now)
    signers.of(TENANT, b).sign(mail, now)  # a rests
    assert signers.of(TENANT, a).sign(mail, now) == before
    assert len(vault.opened) == 2


async def test_mail_whose_caller_was_cancelled_holds_up_no_other(vault: Vault) -> None:
    composer = Composer(vault)
    tasks = [asyncio.create_task(write(composer, f"mail {number}")) for number in range(20)]
    await asyncio.wait(tasks, timeout=0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(mail, bytes) for mail in results[1::2])
    assert await write(composer, "afterwards")
    composer.close()


def test_key_is_opened_once_until_it_changes_or_is_forgotten(vault: Vault) -> None:
    signers = Signers(vault, limit=2)
    a, b, c = (domain(f"{letter}.example") for letter in "abc")
    assert signers.of(TENANT, a) is signers.of(TENANT, a)
    signers.of(TENANT, b)
    signers.of(TENANT, a)
    signers.of(TENANT, c)  # in the place of b, which was not used for longest
    assert len(vault.opened) == 3
    signers.of(TENANT, a)
    assert len(vault.opened) == 3
    signers.of(TENANT, b)
    assert len(vault.opened) == 4
    signers.of(TENANT, domain("b.example", "another"))
    assert vault.opened[-1] == f"{TENANT}/dkim/b.example another"
    signers.of(UUID(int=8), domain("b.example", "another"))
    assert len(vault.opened) == 6
