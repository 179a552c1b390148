"""The intent of a hand-over, its cancellation, and sessions of TLS that are resumed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiosmtplib import SMTP

from sender.smtp import Egress, Envelope, Limits, Outcome, Result, Stage
from sender.smtp.channel import Channel
from sender.smtp.connection import Connection
from tests.support.waiting import reached

from .scripted_host import Act, Host, mail, running_host, tls_of

BOB = Envelope("b+token@b.acme.example", "bob@rcpt.example")
ONE = Limits(first=1, connections=1)


class Watch:
    """A clock that is moved by hand."""

    moment = 1000.0

    def __call__(self) -> float:
        return self.moment


async def nothing() -> None:
    pass


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with running_host(tmp_path) as running:
        yield running


@pytest.fixture
def watch() -> Watch:
    return Watch()


Make = Callable[..., Egress]


@pytest.fixture
async def make(watch: Watch) -> AsyncIterator[Make]:
    made: list[Egress] = []

    def make(limits: Limits = ONE) -> Egress:
        made.append(Egress(limits, now=watch))
        return made[-1]

    yield make
    for egress in made:
        await egress.close()


async def hand_over(
    egress: Egress, host: Host, subject: str = "mail1", content: bytes | None = None, begin=nothing
) -> Outcome:
    return await egress.hand_over(host.address(), "password", BOB, content or mail(subject), begin)


async def until(probe: Callable[[], object]) -> None:
    async def probed() -> object:
        return probe()

    await reached(probed)


class TestIntent:
    async def test_intent_is_committed_when_the_host_waits_for_the_content(self, make, host):
        seen = []

        async def begin() -> None:
            seen.append((host.lines[-1], host.content, host.mails[:]))

        outcome = await hand_over(make(), host, begin=begin)
        assert seen == [("DATA", b"", [])]
        assert outcome == Outcome(
            Result.ACCEPTED,
            "accepted",
            "250 2.0.0 Ok: queued as mail1",
            Stage.ANSWER,
            "mail1",
            begun=True,
            usable=True,
        )

    async def test_large_mail_goes_ahead_of_its_intent_but_for_its_last_bytes(self, make, host):
        large = mail("large", "." * 78 + "\r\n") + mail("x", "..\r\n.a\r\n" * 50_000)
        seen = []

        async def begin() -> None:
            await until(lambda: len(host.content) > 300_000)
            seen.append(list(host.mails))

        outcome = await hand_over(make(), host, content=large, begin=begin)
        assert (outcome.queue_id, seen) == ("large", [[]])
        assert host.mails == [large]

    @pytest.mark.parametrize("large", [False, True])
    async def test_mail_whose_intent_fails_is_not_delivered_and_the_next_one_is(
        self, make, host, large
    ):
        class Lost(Exception):
            pass

        async def begin() -> None:
            raise Lost

        egress = make()
        content = mail("mail1", "a\r\n" * 100_000 if large else "a\r\n")
        first = hand_over(egress, host, content=content, begin=begin)
        results = await asyncio.gather(
            first, hand_over(egress, host, "mail2"), return_exceptions=True
        )
        assert isinstance(results[0], Lost)
        assert isinstance(results[1], Outcome)
        assert results[1].queue_id == "mail2"
        assert host.taken == ["mail2"]

    @pytest.mark.parametrize("large", [False, True])
    async def test_host_that_closes_while_the_intent_is_committed_has_no_mail(
        self, make, host, large
    ):
        egress = make()

        async def begin() -> None:
            for task in list(host.tasks):
                task.cancel()
            await until(lambda: egress.state()[0].connections == 0)

        content = mail("mail1", "a\r\n" * 100_000 if large else "a\r\n")
        outcome = await hand_over(egress, host, content=content, begin=begin)
        told = (outcome.result, outcome.reason, outcome.stage, outcome.begun)
        assert told == (Result.BROKEN, "connection_lost", Stage.CONTENT, True)
        assert host.mails == []

    @pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
    async def test_mail_refused_by_its_envelope_needs_no_intent(self, make, host, step):
        host.plan[step, 0] = "450 4.3.2 x"
        outcome = await hand_over(make(), host, begin=pytest.fail)
        assert outcome.result is Result.BUSY

    @pytest.mark.parametrize(
        ("envelope", "content", "reason"),
        [
            (Envelope("", "bob@rcpt.example\r\nDATA"), mail("a"), "envelope_refused"),
            (Envelope("", "bob@rcpt.example> SIZE=1"), mail("a"), "envelope_refused"),
            (Envelope("", "böb@rcpt.example"), mail("a"), "envelope_refused"),
            (Envelope("", ""), mail("a"), "envelope_refused"),
            (Envelope("", "b" * 255), mail("a"), "envelope_refused"),
            (BOB, b"a\n.\r\nMAIL FROM:<>\r\n", "bare_line_break"),
            (BOB, b"a\r.\r\nMAIL FROM:<>\r\n", "bare_line_break"),
            (BOB, mail("a", "a\r\n" * 400_000), "too_big"),
        ],
    )
    async def test_mail_that_cannot_be_sent_is_not_sent(
        self, make, host, envelope, content, reason
    ):
        egress = make()
        outcome = await egress.hand_over(host.address(), "password", envelope, content, pytest.fail)
        assert (outcome.result, outcome.reason) == (Result.CONTENT, reason)
        assert host.counts["MAIL"] == 0
        assert (await hand_over(egress, host, "mail2")).queue_id == "mail2"

    async def test_what_the_host_offers_is_used(self, make, host):
        await hand_over(make(), host, content=mail("mail1", "Grüße\r\n"))
        host.extensions = ()
        await hand_over(make(), host, content=mail("mail2", "Grüße\r\n"))
        first, second = (line for line in host.lines if line.startswith("MAIL"))
        assert first == "MAIL FROM:<b+token@b.acme.example> SIZE=27 BODY=8BITMIME"
        assert second == "MAIL FROM:<b+token@b.acme.example>"


class TestCancellation:
    @pytest.mark.parametrize("step", ["GREETING", "AUTH", "MAIL", "DATA"])
    async def test_mail_cancelled_before_its_last_bytes_is_not_delivered(self, make, host, step):
        host.plan[step, 0] = Act.LATE
        egress = make()
        task = asyncio.create_task(hand_over(egress, host, begin=pytest.fail))
        await until(lambda: host.counts[step])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        host.released.set()
        assert (await hand_over(egress, host, "mail2")).queue_id == "mail2"
        assert host.taken == ["mail2"]
        assert egress.state()[0].in_hand == 0

    async def test_mail_cancelled_in_its_intent_is_not_delivered(self, make, host):
        entered = asyncio.Event()

        async def begin() -> None:
            entered.set()
            await asyncio.Event().wait()

        egress = make()
        task = asyncio.create_task(hand_over(egress, host, begin=begin))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await hand_over(egress, host, "mail2")).queue_id == "mail2"
        assert host.taken == ["mail2"]

    @pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
    async def test_mail_cancelled_before_its_answer_leaves_the_next_ones_alone(
        self, make, host, extensions
    ):
        host.extensions = extensions
        host.plan["ANSWER", 0] = Act.LATE
        egress = make()
        first = asyncio.create_task(hand_over(egress, host))
        await until(lambda: host.counts["ANSWER"])
        first.cancel()
        second = asyncio.create_task(hand_over(egress, host, "mail2"))
        await asyncio.wait([first])
        assert not second.done()
        host.released.set()
        assert (await second).queue_id == "mail2"

    async def test_mail_cancelled_behind_another_ones_answer_leaves_that_alone(self, make, host):
        host.plan["ANSWER", 0] = Act.LATE
        egress = make()
        first = asyncio.create_task(hand_over(egress, host))
        await until(lambda: host.counts["ANSWER"])
        second = asyncio.create_task(hand_over(egress, host, "mail2", begin=pytest.fail))
        await until(lambda: egress.state()[0].in_hand == 2)
        second.cancel()
        await asyncio.wait([second])
        host.released.set()
        assert (await first).queue_id == "mail1"
        assert (await hand_over(egress, host, "mail3")).queue_id == "mail3"
        assert host.taken == ["mail1", "mail3"]


class TestSessions:
    async def test_second_connection_resumes_the_session_of_the_first(self, make, host):
        for subject in ("first", "second", "third"):
            await hand_over(make(), host, subject)
        assert (host.taken, host.resumed) == (["first", "second", "third"], [False, True, True])

    async def test_host_that_knows_no_session_any_more_gets_a_whole_handshake(
        self, make, host, tmp_path
    ):
        await hand_over(make(), host, "before")
        host.tls = tls_of(tmp_path / "tls.pem")
        for subject in ("after", "later"):
            await hand_over(make(), host, subject)
        assert host.taken == ["before", "after", "later"]
        assert host.resumed == [False, False, True]

    async def test_session_is_resumed_for_no_other_name(self, make, host):
        await hand_over(make(), host)
        other = host.address(helo="mx9-9.acme.example")
        outcome = await make().hand_over(other, "password", BOB, mail("second"), nothing)
        assert (outcome.reason, host.taken) == ("certificate_refused", ["mail1"])


async def test_connection_that_has_ended_is_freed_without_a_look_for_garbage(make, host):
    def left() -> list[object]:
        return [one for one in gc.get_objects() if isinstance(one, Connection | Channel | SMTP)]

    gc.collect()
    gc.disable()
    try:
        egress = make()
        assert (await hand_over(egress, host)).result is Result.ACCEPTED
        assert len(left()) == 2
        await egress.close()
        await until(lambda: not left())
    finally:
        gc.enable()
