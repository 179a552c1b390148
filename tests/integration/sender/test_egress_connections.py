"""How an address's connections, breaker and slow start work."""

from __future__ import annotations

import asyncio

from sender.smtp import BreakerState, Limits, Result, Stage

from .scripted_host import Act, mail, subject_of
from .test_egress import BOB, hand_over, host, make, nothing, until, watch

__all__ = ["host", "make", "watch"]


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
        """Five refusals in between do not change the answers to the other mails."""
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
