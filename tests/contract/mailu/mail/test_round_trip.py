"""The control plane tries mail through its own mailbox, on all containers of the stand-in."""

from __future__ import annotations

import asyncio
import secrets
import socket
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from blueprint.naming import SYSTEM_MAILBOX
from controlplane.reconciler.mail_ports import OwnMailbox
from controlplane.reconciler.ports import Finding
from controlplane.verification.roundtrip import MailRoundTrips, faults
from kit.faults import Code
from tests.contract.mailu.conftest import Names
from tests.support.containers import ADDRESSES
from tests.support.mail_clients import SmtpClient
from tests.support.mailu_containers import HOSTNAME, Mailu

from .conftest import Front
from .echo_mx import MX, EchoMx, echo_mx
from .test_submission import lay_key

SECONDS = 60.0
Seen = list[tuple[str, bool | None, Code | None]]
ALL_IS_RIGHT: Seen = [("mail.in", True, None), ("mail.out", True, None)]


@pytest.fixture
def own(names: Names, domain: str, mailu: Mailu, keys: Path) -> OwnMailbox:
    """Our mailbox in a domain whose mail is signed."""
    lay_key(keys, domain)
    address = names.user(domain, SYSTEM_MAILBOX)
    return OwnMailbox(
        domain,
        address,
        names.token(address)["token"],
        ADDRESSES["front"],
        HOSTNAME,
        Path(mailu.authority.certificate).read_text(),
        "mu1",
    )


@pytest.fixture
def echo(mailu: Mailu, own: OwnMailbox, keys: Path) -> EchoMx:
    pem = (keys / f"{own.domain}.mu1.key").read_bytes()
    public = load_pem_private_key(pem, None).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def front() -> SmtpClient:
        return SmtpClient(mailu.containers.connect("front", 25), HOSTNAME)

    return EchoMx(front, b64encode(der).decode())


def trips(mailu: Mailu, mx: str | None = MX, patience: float = SECONDS) -> MailRoundTrips:
    """Return what tries mail: it reaches the host as a client outside does."""

    def connect(_: str, port: int) -> socket.socket:
        return mailu.containers.connect("front", port)

    return MailRoundTrips(echo_mx=mx, connect=connect, patience=patience)


async def tried(tries: MailRoundTrips, own: OwnMailbox) -> Sequence[Finding]:
    return await asyncio.to_thread(tries.attempt, own, progress=lambda _: None)


def seen(findings: Sequence[Finding]) -> Seen:
    return [(found.check, found.ok, found.code) for found in findings]


async def test_mail_arrives_is_read_leaves_signed_and_comes_back(
    mailu: Mailu, own: OwnMailbox, echo: EchoMx, front: Front
) -> None:
    async with echo_mx(echo, mailu.containers):
        findings = await tried(trips(mailu), own)
    assert seen(findings) == ALL_IS_RIGHT, (findings, echo.taken)
    assert {finding.subject for finding in findings} == {f"domain/{own.domain}"}
    assert echo.taken == [own.address]
    assert front.imap(own.address, own.token).messages() == []


async def test_other_mail_in_our_mailbox_stays(
    mailu: Mailu, own: OwnMailbox, echo: EchoMx, front: Front
) -> None:
    complaint = b"From: someone@far.test\r\nSubject: abuse\r\n\r\nStop it.\r\n"
    client = front.smtp()
    assert client.envelope("", own.address) == [250]
    assert client.data(complaint)[0] == 250
    async with echo_mx(echo, mailu.containers):
        assert seen(await tried(trips(mailu), own)) == ALL_IS_RIGHT
    [left] = front.imap(own.address, own.token).messages()
    assert b"Stop it." in left


async def test_another_key_than_the_published_one_is_named(
    mailu: Mailu, own: OwnMailbox, echo: EchoMx, keys: Path
) -> None:
    lay_key(keys, own.domain)
    async with echo_mx(echo, mailu.containers):
        _, out = await tried(trips(mailu), own)
    assert (out.ok, out.code) == (False, faults.NOT_AUTHENTICATED)
    assert f"{MX} sees mail of {own.domain} with dkim=fail" in out.message


async def test_an_echo_mx_that_returns_no_mail_is_a_remark(
    mailu: Mailu, own: OwnMailbox, echo: EchoMx
) -> None:
    echo.refuses = "550 5.1.1 no such user here"
    async with echo_mx(echo, mailu.containers):
        _, out = await tried(trips(mailu), own)
    assert (out.ok, out.code) == (True, faults.UNREPORTED)
    assert "550 5.1.1 no such user here" in out.message


async def test_an_echo_mx_that_refuses_the_mail_is_wrong(
    mailu: Mailu, own: OwnMailbox, echo: EchoMx
) -> None:
    echo.refuses = "550 5.7.1 DMARC policy"
    async with echo_mx(echo, mailu.containers):
        _, out = await tried(trips(mailu), own)
    assert (out.ok, out.code) == (False, faults.REJECTED)
    assert "550 5.7.1 DMARC policy" in out.message


async def test_mail_that_does_not_come_back_is_wrong(
    mailu: Mailu, own: OwnMailbox, echo: EchoMx
) -> None:
    echo.is_silent = True
    async with echo_mx(echo, mailu.containers):
        arrived, out = await tried(trips(mailu, patience=15), own)
    assert arrived.ok
    assert (out.ok, out.code) == (False, faults.NOT_RETURNED)
    assert echo.taken == [own.address]


async def test_without_an_echo_mx_mail_is_read_and_that_is_said(
    mailu: Mailu, own: OwnMailbox
) -> None:
    findings = await tried(trips(mailu, mx=None), own)
    assert seen(findings) == [("mail.in", True, None), ("mail.out", True, faults.UNTRIED)]


async def test_a_certificate_of_another_authority_and_a_lost_token_are_wrong(
    mailu: Mailu, own: OwnMailbox
) -> None:
    other = replace(own, authority=None)
    [found] = await tried(trips(mailu), other)
    assert (found.check, found.ok, found.code) == ("mail.in", False, faults.CLOSED)
    assert "certificate verify failed" in found.message
    lost = replace(own, token=secrets.token_hex(16))
    [found] = await tried(trips(mailu), lost)
    assert (found.check, found.ok, found.code) == ("mail.in", False, faults.LOGIN_REFUSED)
    assert lost.token not in found.message


async def test_a_port_25_that_is_closed_from_here_leaves_the_way_in_to_the_echo_mx(
    mailu: Mailu, own: OwnMailbox, echo: EchoMx
) -> None:
    def connect(_: str, port: int) -> socket.socket:
        if port == 25:
            raise TimeoutError("timed out")
        return mailu.containers.connect("front", port)

    async with echo_mx(echo, mailu.containers):
        findings = await tried(MailRoundTrips(echo_mx=MX, connect=connect, patience=SECONDS), own)
    assert seen(findings) == ALL_IS_RIGHT
    assert "not reached from here: timed out" in findings[0].message
    [found] = await tried(MailRoundTrips(echo_mx=None, connect=connect), own)
    assert (found.ok, found.code) == (None, faults.UNCLEAR)
