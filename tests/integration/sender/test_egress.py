"""Intent, cancellation, and how an address's connections, breaker and slow start work."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiosmtplib import SMTP

from sender.smtp import BreakerState, Egress, Envelope, Limits, Outcome, Result, Stage
from sender.smtp.channel import Channel
from sender.smtp.connection import Connection
from tests.support.waiting import reached

from .scripted_host import Act, Host, mail, running_host, subject_of, tls_of

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


class TestConnections:
    async def test_mails_at_the_same_time_share_connections(self, make, host):
        egress = make(Limits())
        names = [f"mail{n}" for n in range(12)]
        outcomes = await asyncio.gather(*(hand_over(egress, host, name) for name in names))
        assert [outcome.queue_id for outcome in outcomes] == names
        assert sorted(host.taken) == sorted(names)
        assert host.counts["GREETING"] <= 4

    async def test_connection_is_kept_for_ten_seconds(self, make, host, watch):
        egress = make()
        for name, wait in (("mail1", 9.0), ("mail2", 9.0), ("mail3", 10.0)):
            await hand_over(egress, host, name)
            watch.moment += wait
            egress.tidy()
        await until(lambda: host.lines[-1] == "QUIT")
        assert host.counts["GREETING"] == 1
        await until(lambda: egress.state()[0].connections == 0)
        egress.tidy()
        assert egress.state() == []

    async def test_idle_connections_of_all_addresses_are_bounded(self, make, host, watch):
        egress = make(Limits(idle=2))
        for name in ("mx1", "mx2", "mx3"):
            address = host.address(sealed_password=name)
            await egress.hand_over(address, "password", BOB, mail(name), nothing)
            watch.moment += 1
        egress.tidy()
        assert [state.idle for state in egress.state()] == [0, 1, 1]

    async def test_connection_is_replaced_after_many_mails(self, make, host):
        egress = make(Limits(first=1, connections=1, mails=2))
        names = [f"mail{n}" for n in range(5)]
        outcomes = await asyncio.gather(*(hand_over(egress, host, name) for name in names))
        assert [outcome.queue_id for outcome in outcomes] == names
        assert host.counts["GREETING"] == 3

    async def test_kept_connections_that_the_host_has_left_cost_a_mail_nothing(self, make, host):
        egress = make(Limits(first=4, connections=4, batch=1, refusals=1))
        arrived = 0

        async def begin() -> None:
            nonlocal arrived
            arrived += 1
            await until(lambda: arrived == 4)

        host.most = 1
        names = [f"mail{n}" for n in range(4)]
        await asyncio.gather(*(hand_over(egress, host, name, begin=begin) for name in names))
        assert egress.state()[0].idle == 4
        assert (await hand_over(egress, host, "mail4")).queue_id == "mail4"
        assert egress.state()[0].breaker is BreakerState.CLOSED
        assert egress.capacity(host.address()) == 4

    async def test_changed_password_is_another_connection(self, make, host):
        egress = make()
        await hand_over(egress, host)
        address = host.address(sealed_password="another")
        await egress.hand_over(address, "another", BOB, mail("mail2"), nothing)
        assert host.counts["AUTH"] == 2

    async def test_mail_behind_a_silent_answer_is_sent_over_another_connection(
        self, make, host, watch
    ):
        host.plan["ANSWER", 0] = Act.LATE
        egress = make(Limits(first=2))
        first = asyncio.create_task(hand_over(egress, host))
        await until(lambda: host.counts["ANSWER"])
        second = asyncio.create_task(hand_over(egress, host, "mail2"))
        await until(lambda: egress.state()[0].in_hand == 2)
        for _ in range(2):
            watch.moment += 9
            egress.tidy()
        assert (await second).queue_id == "mail2"
        assert not first.done()
        host.released.set()
        assert (await first).queue_id == "mail1"

    async def test_mail_waits_a_minute_for_a_connection(self, make, host, watch):
        host.plan["MAIL", 0] = Act.LATE
        egress = make()
        first = asyncio.create_task(hand_over(egress, host))
        await until(lambda: host.counts["MAIL"])
        second = asyncio.create_task(hand_over(egress, host, "mail2"))
        await until(lambda: egress.state()[0].waiting == 1)
        watch.moment += 60
        egress.tidy()
        outcome = await second
        assert (outcome.result, outcome.stage) == (Result.BUSY, Stage.WAITING)
        host.released.set()
        assert (await first).queue_id == "mail1"

    async def test_slow_start_trusts_an_address_more_with_each_mail(self, make, host):
        egress = make(Limits(first=1, connections=3, batch=4))
        assert egress.capacity(host.address()) == 4
        rooms = []
        for number in range(4):
            await hand_over(egress, host, f"mail{number}")
            rooms.append(egress.capacity(host.address()))
        assert rooms == [8, 12, 12, 12]
        host.plan["MAIL", 4] = "450 4.3.2 x"
        await hand_over(egress, host, "mail4")
        assert egress.capacity(host.address()) == 4

    async def test_egress_that_is_closed_takes_nothing(self, make, host):
        egress = make()
        await hand_over(egress, host)
        await egress.close()
        assert host.lines[-1] == "QUIT"
        outcome = await hand_over(egress, host, "mail2")
        assert (outcome.reason, outcome.stage) == ("stopping", Stage.WAITING)

    async def test_close_ends_mails_that_wait(self, make, host):
        host.plan["AUTH", 0] = Act.SILENCE
        egress = make()
        task = asyncio.create_task(hand_over(egress, host))
        await until(lambda: host.counts["AUTH"])
        await egress.close()
        assert (await task).reason == "stopping"


class TestBreaker:
    async def test_address_that_failed_is_tried_by_one_mail_after_a_pause(self, make, host, watch):
        host.plan["GREETING", 0] = host.plan["GREETING", 1] = "421 4.3.2 not now"
        egress, address = make(Limits()), host.address()

        async def attempt(name: str) -> tuple[Result, Stage]:
            outcome = await hand_over(egress, host, name)
            return outcome.result, outcome.stage

        assert await attempt("mail1") == (Result.BUSY, Stage.GREETING)
        assert (egress.capacity(address), egress.state()[0].breaker) == (0, BreakerState.OPEN)
        assert await attempt("mail2") == (Result.BUSY, Stage.WAITING)
        watch.moment += 10
        egress.tidy()
        assert (egress.capacity(address), egress.state()[0].breaker) == (1, BreakerState.HALF_OPEN)
        tries = await asyncio.gather(*map(attempt, ("mail3", "mail4", "mail5")))
        assert [stage for _, stage in tries] == [Stage.GREETING, Stage.WAITING, Stage.WAITING]
        watch.moment += 10
        assert egress.capacity(address) == 0, "the second pause is longer"
        watch.moment += 10
        assert await attempt("mail6") == (Result.ACCEPTED, Stage.ANSWER)
        assert egress.capacity(address) > 1
        assert host.counts["GREETING"] == 3

    async def test_host_that_lets_nobody_in_holds_no_mail_for_long(self, make, host, watch):
        """Many such hosts would hold all that a sender may have in hand."""
        host.plan["GREETING", 0] = Act.LATE
        egress = make(Limits(keep=60))
        waiting = [asyncio.create_task(hand_over(egress, host, f"mail{n}")) for n in range(3)]
        await until(lambda: host.counts["GREETING"] == 1)
        watch.moment += Limits.entrance
        egress.tidy()
        for outcome in await asyncio.gather(*waiting):
            assert (outcome.result, outcome.reason) == (Result.BROKEN, "host_silent")
        assert egress.capacity(host.address()) == 0
        host.released.set()  # the connection is of use yet
        await until(lambda: egress.state()[0].idle)
        watch.moment += Limits.pause
        assert (await hand_over(egress, host, "mail3")).queue_id == "mail3"
        assert host.counts["GREETING"] == 1

    async def test_probe_that_is_cancelled_leaves_the_next_one(self, make, host, watch):
        host.plan["GREETING", 0] = "421 4.3.2 not now"
        host.plan["GREETING", 1] = Act.LATE
        egress = make()
        await hand_over(egress, host)
        watch.moment += 10
        probe = asyncio.create_task(hand_over(egress, host))
        await until(lambda: host.counts["GREETING"] == 2)
        assert egress.state()[0].breaker is BreakerState.PROBING
        probe.cancel()
        await asyncio.wait([probe])
        assert egress.capacity(host.address()) == 1
        host.released.set()
        assert (await hand_over(egress, host, "mail2")).queue_id == "mail2"

    async def test_address_that_refuses_five_mails_in_a_row_is_let_be(self, make, host):
        host.plan = {("MAIL", n): "554 5.7.1 x" for n in range(10)}
        egress = make()
        outcomes = [await hand_over(egress, host, f"mail{n}") for n in range(6)]
        assert [outcome.stage for outcome in outcomes] == [Stage.MAIL] * 5 + [Stage.WAITING]
        assert {outcome.reason for outcome in outcomes} == {"host_refused"}

    async def test_host_that_limits_connections_gets_no_more_than_those(self, make, host):
        host.plan = {("GREETING", n): "421 4.7.0 too many connections" for n in range(1, 20)}
        egress = make(Limits(first=4, connections=4, batch=1))
        names = [f"mail{n}" for n in range(12)]
        outcomes = await asyncio.gather(*(hand_over(egress, host, name) for name in names))
        assert [outcome.queue_id for outcome in outcomes] == names

    async def test_mails_that_are_accepted_are_those_that_were_handed_over(self, make, host):
        """Five refusals in between change nothing of what the others are told."""
        host.plan = {("ANSWER", n): "451 4.3.0 x" for n in range(0, 40, 2)}
        egress = make(Limits())
        names = [f"mail{n}" for n in range(40)]
        outcomes = await asyncio.gather(*(hand_over(egress, host, name) for name in names))
        accepted = [n for n, o in zip(names, outcomes, strict=True) if o.result is Result.ACCEPTED]
        assert sorted(accepted) == sorted(host.taken)
        assert [o.queue_id for o in outcomes if o.queue_id] == accepted
        assert sorted(map(subject_of, host.mails)) == sorted(
            name for name, outcome in zip(names, outcomes, strict=True) if outcome.begun
        )
