"""Whether mail leaves from each address, by dialogues that hosts have with an echo MX."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blueprint.document import Blueprint
from controlplane.reconciler.ports import (
    CloudState,
    Finding,
    Login,
    ObservedAddress,
    ObservedHost,
)
from controlplane.verification import InternetVerifier
from controlplane.verification import faults as verification
from controlplane.verification.outbound import faults
from kit.faults import Code
from tests.support.tenants import rendered, tenant

from .conftest import assert_shown
from .echo import EchoServer, LocalShell
from .mail_server import MailServer
from .name_server import NameServer

IPS = ("127.0.0.1", "127.0.0.2")
ONE, TWO = "address/mx1-1", "address/mx2-1"
CLOSED_PORT = 1
CLOSED = False, faults.OUTBOUND_CLOSED
UNCLEAR = None, faults.OUTBOUND_UNCLEAR
UNREAD = None, faults.OUTBOUND_UNREAD
UNSET = True, faults.OUTBOUND_UNSET
IN_CLEAR = False, faults.OUTBOUND_IN_CLEAR
DIFFERENT = False, faults.OUTBOUND_DIFFERENT
INTERCEPTED = False, faults.OUTBOUND_INTERCEPTED
UNENCRYPTED = True, faults.OUTBOUND_IN_CLEAR
UNREPORTED = True, faults.OUTBOUND_UNREPORTED
RIGHT = True, None


@dataclass
class Two:
    """A tenant with two hosts of one address each, and its verifier."""

    names: NameServer
    echo: EchoServer
    inbound: MailServer
    blueprint: Blueprint
    state: CloudState
    shell: LocalShell
    resolver: str
    mail_port: int

    async def findings(
        self, *, unchanged_for: timedelta = timedelta.max, **changes: Any
    ) -> list[Finding]:
        options: dict[str, Any] = {
            "resolver": self.resolver,
            "submission_port": CLOSED_PORT,
            "mail_port": self.mail_port,
            "echo_mx": self.echo.mx,
            "echo_port": self.echo.port,
            "shell": self.shell,
        }
        verifier = InternetVerifier(**{**options, **changes})
        authority = self.inbound.authority.certificate
        login = Login("key of the host", "key of the tenant")
        findings = list(
            await verifier.verify_hosts(
                self.blueprint,
                self.state,
                authority=authority,
                logins={"mx1": login, "mx2": login},
                unchanged_for=unchanged_for,
            )
        )
        assert_shown(findings)
        return findings

    async def outbound(self, **changes: Any) -> dict[str, tuple[bool | None, Code | None]]:
        found = await self.findings(**changes)
        return {f.subject: (f.ok, f.code) for f in found if f.check == "smtp.outbound"}

    async def port_25(self, **changes: Any) -> set[tuple[str, str, bool | None, Code | None]]:
        """Return the findings about port 25 of mx2, and its domain."""
        found = await self.findings(**changes)
        return {
            (f.subject, f.check, f.ok, f.code)
            for f in found
            if f.subject not in {ONE, "domain/acme.example"} and f.check != "smtp.outbound"
        }


@pytest.fixture
async def two(
    names: NameServer,
    echo: EchoServer,
    mail: Callable[..., Awaitable[MailServer]],
    tmp_path: Path,
) -> Two:
    blueprint = rendered(tenant("mx1@acme.example*2", "mx2@acme.example*2", domains="acme.example"))
    hosts = tuple(
        ObservedHost(
            host.name,
            host.server_name,
            number,
            (
                ObservedAddress(f"{host.name}-1", ip, host.primary.helo),
                ObservedAddress(f"{host.name}-2", None, host.addresses[1].helo),
            ),
        )
        for number, (host, ip) in enumerate(zip(blueprint.hosts, IPS, strict=True))
    )
    state = CloudState(blueprint.digest, hosts)
    inbound = await mail(IPS[1], blueprint.hosts[1].primary.helo)
    inbound.encrypts = False
    names.set_record(echo.mx, "A", "127.0.0.1")
    shell = LocalShell(state, echo, tmp_path)
    resolver = f"127.0.0.1:{names.port}"
    return Two(names, echo, inbound, blueprint, state, shell, resolver, inbound.port)


async def test_mail_leaves_with_the_address_and_name_that_the_echo_mx_sees(two: Two) -> None:
    assert await two.outbound() == {ONE: RIGHT, TWO: RIGHT}
    assert two.echo.dialogues == 2


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("550 source=203.0.113.9 helo={helo} tls={tls}", DIFFERENT),
        ("550 source={source} helo=other.example tls={tls}", DIFFERENT),
        ("550 source={source} helo= tls={tls}", DIFFERENT),
        ("550 source={source} helo={helo} tls=none", IN_CLEAR),
        ("550 source=[::ffff:{source}], helo={helo}. tls={tls};", RIGHT),
        ("550-what follows is seen of you\r\n550 source={source} helo={helo} tls={tls}", RIGHT),
        ("550 source=172.17.0.1 helo={helo} tls={tls}", UNCLEAR),
        ("550 source=::1 helo={helo} tls={tls}", UNCLEAR),
        ("550 source= helo={helo} tls={tls}", UNREPORTED),
        ("550 source=unknown helo={helo} tls={tls}", UNREPORTED),
        ("550 source={source}", UNREPORTED),
        ("550 5.1.1 no such user", UNREPORTED),
        ("450 4.2.0 greylisted", UNREPORTED),
        ("250 OK", UNREPORTED),
        ("250 2.1.5 source={source}, helo={helo}, tls={tls}.", RIGHT),
    ],
)
async def test_reply_of_the_echo_mx_is_judged(
    two: Two, reply: str, expected: tuple[bool, Code]
) -> None:
    two.echo.reply = reply
    assert await two.outbound() == {ONE: expected, TWO: expected}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("250 OK", INTERCEPTED),
        ("550 outbound mail is disabled for this server", INTERCEPTED),
        ("450 4.7.1 too many connections, try again", UNCLEAR),
    ],
)
async def test_answer_of_something_on_the_way_is_no_echo(
    two: Two, answer: str, expected: tuple[bool | None, Code]
) -> None:
    """A provider's proxy for port 25 answers in the place of the echo MX."""
    two.echo.replies_to = {IPS[1]: answer}
    assert await two.outbound() == {ONE: RIGHT, TWO: expected}


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (b"554 port 25 is blocked, contact support\r\n", INTERCEPTED),
        (b"421 4.7.0 too many connections\r\n", UNCLEAR),
        (b"SSH-2.0-OpenSSH_9.2\r\n", UNCLEAR),
    ],
)
async def test_greeting_that_refuses_is_no_open_port(
    two: Two, greeting: bytes, expected: tuple[bool | None, Code]
) -> None:
    two.echo.greets = {IPS[1]: greeting}
    assert await two.outbound() == {ONE: RIGHT, TWO: expected}
    (two.shell.directory / "mx1.kept").unlink()
    two.echo.greets = dict.fromkeys(IPS, greeting)
    assert await two.outbound() == {ONE: UNCLEAR, TWO: UNCLEAR}


async def test_proxy_in_front_of_all_hosts_is_known_by_what_the_control_plane_is_told(
    two: Two,
) -> None:
    two.echo.replies_to = dict.fromkeys(IPS, "250 OK")
    assert await two.outbound(source="127.0.0.3") == {ONE: INTERCEPTED, TWO: INTERCEPTED}


async def test_control_plane_tries_every_address_of_the_echo_mx(
    two: Two,
) -> None:
    two.names.set_record(two.echo.mx, "A", "127.0.0.9", "127.0.0.1")
    two.echo.closed = set(IPS)
    assert await two.outbound(source="127.0.0.3") == {ONE: CLOSED, TWO: CLOSED}


async def test_address_that_is_cut_off_is_wrong_and_the_other_is_right(two: Two) -> None:
    two.echo.closed = {IPS[1]}
    assert await two.outbound() == {ONE: RIGHT, TWO: CLOSED}


async def test_address_that_the_host_lacks_is_wrong(two: Two) -> None:
    lost = "203.0.113.9"
    host = two.state.hosts[1]
    address = ObservedAddress("mx2-1", lost, host.addresses[0].helo)
    two.state = CloudState("x", (two.state.hosts[0], ObservedHost("mx2", "x", 1, (address,))))
    two.shell.configs["mx2"]["addresses"] = [{"ip": lost, "helo": address.helo}]
    assert (await two.outbound())[TWO] == CLOSED


async def test_echo_mx_that_answers_only_the_control_plane_shows_that_port_25_is_closed(
    two: Two,
) -> None:
    two.echo.closed = {"127.0.0.1", "127.0.0.2"}
    assert await two.outbound(source="127.0.0.3") == {ONE: CLOSED, TWO: CLOSED}


async def test_echo_mx_that_answers_nobody_leaves_it_unknown(two: Two) -> None:
    two.echo.closed = {"127.0.0.1", "127.0.0.2"}
    assert await two.outbound() == {ONE: UNCLEAR, TWO: UNCLEAR}


async def test_echo_mx_that_has_no_address_leaves_it_unknown(two: Two) -> None:
    for config in two.shell.configs.values():
        config["mx"] = "missing.invalid"
    assert await two.outbound(echo_mx="missing.invalid") == {ONE: UNCLEAR, TWO: UNCLEAR}


async def test_broken_encryption_is_wrong_where_others_are_offered_it(two: Two) -> None:
    two.echo.reply = "550 source={source} helo={helo} tls={tls}"
    two.echo.garbled = {IPS[1]}
    assert await two.outbound() == {ONE: RIGHT, TWO: IN_CLEAR}


async def test_echo_mx_without_encryption_is_no_fault_of_a_host(two: Two) -> None:
    two.echo.encrypts = False
    assert await two.outbound() == {ONE: UNENCRYPTED, TWO: UNENCRYPTED}


async def test_kept_report_is_read_until_it_is_not_right(two: Two) -> None:
    right = await two.outbound()
    assert await two.outbound() == right
    assert two.echo.dialogues == 2, "the second look made none"

    kept = two.shell.directory / "mx2.kept"
    report = json.loads(kept.read_text())
    report["results"][0] |= {"stage": "connect", "reason": "timed out"}
    kept.write_text(json.dumps(report))
    assert await two.outbound() == right
    assert two.echo.dialogues == 4, "both were asked again: one says whether the other is at fault"


async def test_kept_report_does_not_count_after_a_change_at_the_provider(two: Two) -> None:
    await two.outbound()
    two.echo.closed = {IPS[1]}
    assert await two.outbound() == {ONE: RIGHT, TWO: RIGHT}
    assert await two.outbound(unchanged_for=timedelta(0)) == {ONE: RIGHT, TWO: CLOSED}


async def test_echo_mx_that_went_down_is_not_taken_for_a_closed_port(two: Two) -> None:
    """A host that reported an hour ago is no witness."""
    await two.outbound()
    (two.shell.directory / "mx2.kept").unlink()
    two.echo.closed = set(IPS)
    assert await two.outbound() == {ONE: UNCLEAR, TWO: UNCLEAR}


async def test_answer_of_another_echo_mx_says_nothing_of_this_one(two: Two) -> None:
    two.shell.configs["mx1"]["mx"] = "127.0.0.1"
    two.echo.closed = {IPS[1], "127.0.0.3"}
    assert await two.outbound(source="127.0.0.3") == {ONE: UNREAD, TWO: UNCLEAR}


async def test_echo_mx_that_stopped_to_report_is_not_taken_for_a_proxy(two: Two) -> None:
    await two.outbound()
    (two.shell.directory / "mx2.kept").unlink()
    two.echo.reply = "550 5.1.1 no such user"
    assert await two.outbound() == {ONE: UNREPORTED, TWO: UNREPORTED}


@pytest.mark.parametrize("change", ["configuration", "age", "future", "garbage", "results"])
async def test_kept_report_does_not_outlive_a_change_or_its_time(two: Two, change: str) -> None:
    await two.outbound()
    kept = two.shell.directory / "mx1.kept"
    report = json.loads(kept.read_text())
    if change == "configuration":
        two.shell.configs["mx1"]["more"] = "of a later version"
    elif change == "garbage":
        kept.write_text("[")
    elif change == "results":
        kept.write_text(json.dumps({**report, "results": [None]}))
    else:
        report["at"] += 3600 if change == "future" else -5401
        kept.write_text(json.dumps(report))

    assert (await two.outbound())[ONE] == RIGHT

    asked_again = ("mx1", "mx2") if change == "results" else ("mx1",)  # it was read, and failed
    assert two.echo.dialogues == 2 + len(asked_again)


async def test_host_of_older_settings_is_unknown_and_outdated(two: Two) -> None:
    two.shell.missing.add("mx1")
    two.shell.configs["mx2"]["mx"] = "other.invalid"
    two.shell.configs["mx2"]["addresses"] = []
    found = [f for f in await two.findings() if f.check == "smtp.outbound"]
    assert [(f.subject, f.ok, f.code, f.outdated) for f in found] == [
        (ONE, None, faults.OUTBOUND_UNREAD, True),
        (TWO, None, faults.OUTBOUND_UNREAD, True),
    ]


async def test_host_that_cannot_be_asked_is_unknown(two: Two) -> None:
    two.shell.dead.add("mx1")
    del two.shell.configs["mx2"]["mx"]  # its program ends with an error
    found = [f for f in await two.findings() if f.check == "smtp.outbound"]
    assert {f.subject: (f.ok, f.code) for f in found} == {ONE: UNREAD, TWO: UNREAD}
    assert [f.outdated for f in found] == [False, False]
    assert "connection refused" in found[0].message


async def test_without_an_echo_mx_there_is_a_remark(two: Two) -> None:
    assert await two.outbound(echo_mx=None) == {ONE: UNSET, TWO: UNSET}
    assert two.echo.dialogues == 0


SEEN = {(TWO, "smtp.banner", True, None), (TWO, "smtp.relay", True, None)}
ITSELF = {(TWO, "smtp.banner", True, verification.SEEN_BY_ITSELF)}
UNSEEN = {(TWO, "smtp.banner", None, verification.UNSEEN)}
NO_BANNER = {(TWO, "smtp.banner", False, verification.NO_BANNER)}
BLIND = {"source": "203.0.113.9"}
"""A control plane that can open no connection: the address is not its own."""


async def test_port_25_closed_for_the_control_plane_is_seen_by_another_host(two: Two) -> None:
    assert await two.port_25(**BLIND) >= SEEN
    assert ("mx1", IPS[1]) in two.shell.seen
    assert ("mx2", IPS[1]) not in two.shell.seen


async def test_first_release_is_seen_by_the_host_itself(two: Two) -> None:
    two.shell.dead.add("mx1")
    assert await two.port_25(**BLIND) >= SEEN | ITSELF
    assert ("mx2", IPS[1]) in two.shell.seen


async def test_port_25_that_nobody_can_look_at_is_unknown(two: Two) -> None:
    two.shell.dead |= {"mx1", "mx2"}
    assert await two.port_25(**BLIND) == UNSEEN


async def test_host_does_not_count_where_the_control_plane_could_see_it(two: Two) -> None:
    two.shell.dead.add("mx1")
    assert await two.port_25(mail_port=CLOSED_PORT) == NO_BANNER


async def test_port_that_is_closed_for_another_host_too_is_wrong(two: Two) -> None:
    assert await two.port_25(mail_port=CLOSED_PORT, **BLIND) == NO_BANNER
