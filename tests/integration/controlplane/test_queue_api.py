"""The queue for operators through the API, on mail that was held, deferred, lost or refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from controlplane import faults
from controlplane.database import CONTROLLER, Database
from controlplane.queue.measuring import Measuring
from sender import mailq
from sender.directory import publish
from sender.live import Live, LiveAddress, LiveBucket, show
from sender.outbox import decoded
from sender.policy import holds
from sender.policy.model import Kind, Subject
from sender.queue import Attempt, Outcome, Settings, State, Worker, operations, worker_pool
from sender.reasons import HELD
from tests.integration.controlplane.conftest import create
from tests.support.directory import ENTRY
from tests.support.faults import assert_shows
from tests.support.waiting import reached
from tests.support.warmth import resolve_domains

SALES = "sales@acme.example"
WHY = {"reason": "the campaign was called off"}
OUTCOMES = {
    "deferred": Outcome(State.RETRY, "host_busy", delay=timedelta(hours=1)),
    "lost": Outcome(State.UNKNOWN, "worker_lost"),
    "refused": Outcome(State.DEAD, "content_refused", "550 5.7.1 no"),
}


async def outcome(attempt: Attempt) -> Outcome | None:
    """Do with a mail what the local part of its recipient says."""
    return OUTCOMES.get(decoded(attempt.job.body).to.partition("@")[0])


class Mail:
    """Two tenants' mail, and a worker that handles what is not held."""

    def __init__(self, operator: httpx2.AsyncClient, dsn: str) -> None:
        self.operator = operator
        self.dsn = dsn

    async def send(self, tenant: str, *recipients: str) -> list[str]:
        """Queue a mail to each recipient."""
        ids = []
        for to in recipients:
            body = {"from": f"sales@{tenant}.example", "to": to, "subject": "Hi", "text": "Hello"}
            answer = await self.operator.post("/messages", params={"tenant": tenant}, json=body)
            ids.append(answer.json()["id"])
        return ids

    async def state(self, id_: str) -> str:
        return str((await self.operator.get(f"/messages/{id_}")).json()["message"]["state"])

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.operator.post(path, json=WHY | body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        return list((await self.operator.get(path, params=query)).json()["items"])

    async def events(self) -> list[tuple[str, str, str]]:
        """Return tenant, reason and message of what operators did."""
        events = await self.items("/events")
        return [(e["tenant"], e["reason"], e["message"]) for e in events if e["kind"] == "mail"]

    @asynccontextmanager
    async def worked_on(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with worker_pool(self.dsn) as pool:
            worker = asyncio.create_task(Worker(pool, "w", outcome, Settings(poll=0.01)).run(stop))
            yield
            stop.set()
            await worker

    async def work_off(self) -> None:
        """Handle everything that is due and not held."""
        async with self.worked_on(), await psycopg.AsyncConnection.connect(self.dsn) as admin:

            async def in_work() -> int:
                depths = await operations.depths(admin)
                await admin.commit()
                return sum(d.jobs for d in depths if d.state in ("due", "claimed", "begun"))

            await reached(in_work, lambda jobs: jobs == 0)


@pytest.fixture
async def mail(operator: httpx2.AsyncClient, upgraded: str) -> Mail:
    for name in ("acme", "bob"):
        await create(operator, name)
    resolve_domains(upgraded, **{"one.example": "other", "two.example": "other"})
    return Mail(operator, upgraded)


async def hold(mail: Mail, *tenants: str) -> None:
    async with await psycopg.AsyncConnection.connect(mail.dsn) as admin:
        for tenant in tenants:
            id_ = (await mail.operator.get(f"/tenants/{tenant}")).json()["id"]
            names = [bucket.name for bucket in await operations.buckets(admin, UUID(id_))]
            await operations.hold(admin, UUID(id_), names, None, "stopped", "mail is stopped")


async def test_held_mail_is_listed_released_and_withdrawn_by_what_it_is(mail: Mail) -> None:
    first, second, third = await mail.send(
        "acme", "a@one.example", "b@ONE.example", "c@two.example"
    )
    (other,) = await mail.send("bob", "d@one.example")
    await hold(mail, "acme", "bob")
    held = await mail.items("/mailq")
    assert [(h["tenant"], h["mails"], h["code"], h["until"]) for h in held] == [
        ("acme", 3, "stopped", None),
        ("bob", 1, "stopped", None),
    ]
    assert {(h["acts"], h["release"]) for h in held} == {
        ("user", "`penguin start` of what was stopped")
    }
    assert await mail.items("/mailq", tenant="bob", code="stopped") == held[1:]
    assert await mail.items("/mailq", code="spread") == []
    refused = await mail.operator.get("/mailq", params={"code": "Spread!"})
    assert refused.status_code == 422
    depths = (await mail.operator.get("/queue")).json()["depths"]
    assert [(d["state"], d["code"], d["mails"]) for d in depths] == [("held", "stopped", 4)]
    wanted = {"tenant": "acme", "recipient_domain": "one.example", "code": "stopped"}
    assert await mail.post("/mailq/withdraw", **wanted) == {"changed": 2, "next": None}
    assert await mail.post("/mailq/withdraw", **wanted) == {"changed": 0, "next": None}
    for id_ in (first, second):
        explained = (await mail.operator.get(f"/messages/{id_}")).json()
        assert explained["message"]["state"] == "cancelled"
        last = explained["decisions"][-1]
        assert (last["reason"], last["message"]) == ("withdrawn", WHY["reason"])
    assert await mail.post("/mailq/withdraw", ids=[third, first]) == {"changed": 1, "next": None}
    assert await mail.state(other) == "held"
    released = await mail.post("/mailq/release", recipient_domain="one.example")
    publishes = "the reconciler publishes it once its domains are verified"
    kept = {"code": "not_published", "buckets": 1, "acts": "nobody", "release": publishes}
    assert released == {"changed": 1, "next": None, "ended": [], "kept": [kept]}
    assert await mail.state(other) == "queued"
    assert await mail.events() == [
        ("acme", "Withdrawn", f"mails withdrawn, of stopped, to one.example: 2; {WHY['reason']}"),
        ("acme", "Withdrawn", f"mails withdrawn, by id: 1; {WHY['reason']}"),
        ("bob", "Released", f"buckets released, to one.example: 1; {WHY['reason']}"),
    ]


async def test_mail_is_looked_for_page_by_page(mail: Mail) -> None:
    await mail.send("acme", "a@one.example", "b@two.example", "c@two.example", "d@one.example")
    await mail.send("bob", "e@one.example")
    acme = UUID((await mail.operator.get("/tenants/acme")).json()["id"])
    every = mailq.Selection(recipient_domain="one.example")
    async with await psycopg.AsyncConnection.connect(mail.dsn) as admin:
        first = await mailq.withdraw(admin, every, words="", actor="a", most=2)
        assert first.tenants == {acme: 1}
        second = await mailq.withdraw(
            admin, replace(every, after=first.next), words="", actor="a", most=2
        )
        assert second.tenants == {acme: 1}
        of_acme = replace(every, tenant_id=acme, after=second.next)
        last = await mailq.withdraw(admin, of_acme, words="", actor="a", most=2)
        assert (last.tenants, last.next) == ({}, None)
        await admin.commit()
    last_page = await mail.post(
        "/mailq/withdraw", recipient_domain="one.example", after=str(second.next)
    )
    assert last_page == {"changed": 1, "next": None}
    assert (await mail.items("/messages", tenant="bob"))[0]["state"] == "cancelled"
    again = await mail.post("/mailq/withdraw", recipient_domain="one.example")
    assert again == {"changed": 0, "next": None}


async def test_search_goes_on_only_after_what_an_answer_said(mail: Mail) -> None:
    id_ = "0199b1c2-0000-7000-8000-000000000001"
    for after in ("x", f"{id_}/{id_}", f"{id_}/{id_}/99999999999999999"):
        answer = await mail.operator.post(
            "/mailq/withdraw", json=WHY | {"code": "spread", "after": after}
        )
        assert answer.status_code == 422


async def test_buckets_are_released_page_by_page_and_each_once(mail: Mail) -> None:
    """Also where the sender holds what was released again, before the next page."""
    await mail.send("acme", "a@one.example", "b@two.example", "c@one.example", "d@one.example")
    await mail.send("bob", "e@one.example", "f@two.example")
    acme, bob = [
        UUID((await mail.operator.get(f"/tenants/{name}")).json()["id"]) for name in ("acme", "bob")
    ]
    selection = mailq.Selection(recipient_domain="one.example")
    released = []
    await hold(mail, "acme", "bob")
    async with await psycopg.AsyncConnection.connect(mail.dsn, autocommit=True) as admin:
        while True:
            async with admin.transaction():
                done = await mailq.release(admin, selection, most=2)
            released.append((dict(done.tenants), dict(done.kept)))
            await hold(
                mail,
                *(name for name, id_ in (("acme", acme), ("bob", bob)) if done.tenants.get(id_)),
            )
            if done.next is None:
                break
            selection = replace(selection, after=done.next)
        assert released == [
            ({acme: 1}, {"not_published": 1}),
            ({}, {}),
            ({bob: 1}, {"not_published": 1}),
            ({}, {}),
        ]
        async with admin.transaction():
            again = await mailq.release(admin, replace(selection, after=None), most=100)
        assert again.tenants == {acme: 1, bob: 1}


async def test_buckets_of_a_reason_are_released_tenant_by_tenant(mail: Mail) -> None:
    for tenant in ("acme", "bob"):
        await mail.send(tenant, "a@one.example", "b@gmail.com")
    await hold(mail, "acme", "bob")
    async with await psycopg.AsyncConnection.connect(mail.dsn, autocommit=True) as admin:
        selection = mailq.Selection(code="stopped")
        first = await mailq.release(admin, selection, most=1)
        second = await mailq.release(admin, replace(selection, after=first.next), most=1)
        assert [sum(one.tenants.values()) for one in (first, second)] == [2, 2]
        assert first.tenants.keys() != second.tenants.keys()
        last = await mailq.release(admin, replace(selection, after=second.next), most=1)
        assert (last.count, last.next) == (0, None)


async def test_dead_letters_are_replayed_once_however_soon_they_die_again(mail: Mail) -> None:
    ids = await mail.send("acme", "refused@one.example", "refused@two.example")
    await mail.work_off()
    selection = mailq.Selection(code="content_refused")
    async with await psycopg.AsyncConnection.connect(mail.dsn, autocommit=True) as admin:
        counts = []
        while True:
            done = await mailq.replay(admin, selection, most=1)
            counts.append(done.count)
            await mail.work_off()
            if done.next is None:
                break
            selection = replace(selection, after=done.next)
    assert counts == [1, 1, 0]
    assert {letter["id"] for letter in await mail.items("/queue/dead")} == set(ids)


async def test_release_ends_the_holds_of_mail_and_says_what_keeps_it_else(mail: Mail) -> None:
    ids = await mail.send("acme", "a@one.example", "b@gmail.com")
    acme = UUID((await mail.operator.get("/tenants/acme")).json()["id"])
    address, mailbox = Subject(Kind.ADDRESS, "198.18.1.2"), Subject(Kind.MAILBOX, SALES)
    google, foreign = Subject(Kind.PROVIDER, "google"), Subject(Kind.MAILBOX, "sales@bob.example")
    async with await psycopg.AsyncConnection.connect(mail.dsn, autocommit=True) as admin:
        await admin.execute(
            "insert into directory.entries values (%s, %s, 1, now())",
            (acme, ENTRY.model_dump_json()),
        )
        for subject in (address, mailbox, google, foreign):
            await holds.hold(admin.cursor(), subject, HELD, None, actor="pm_live_x")
        await hold(mail, "acme")
        released = await mail.post("/mailq/release", tenant="acme")
        assert (released["changed"], released["ended"]) == (2, [str(address), str(mailbox)])
        (kept,) = released["kept"]
        assert (kept["code"], kept["buckets"], kept["acts"]) == ("held", 1, "operator")
        assert (await holds.active(admin.cursor())).keys() == {google, foreign}
        assert await mail.events() == [
            (
                "acme",
                "Released",
                f"buckets released: 2, with the holds of {address}, {mailbox}; {WHY['reason']}",
            )
        ]
        await holds.hold(admin.cursor(), Subject(Kind.TENANT, str(acme)), HELD, None)
        await hold(mail, "acme")
        released = await mail.post("/mailq/release", tenant="acme")
        assert released["ended"] == ["tenant acme"]
        assert ", with the holds of the tenant; " in (await mail.events())[-1][2]
        await admin.execute(
            """insert into policy.counters (kind, subject, day, used)
            values ('mailbox', %s, (now() at time zone 'UTC')::date, 50)""",
            (SALES,),
        )
    await hold(mail, "acme")
    (kept,) = (await mail.post("/mailq/release", ids=ids[:1]))["kept"]
    assert (kept["code"], kept["release"]) == (
        "mailbox_cap_reached",
        "the next UTC day, or for a warm mailbox a higher daily_cap",
    )


async def test_deferred_mail_is_tried_again_and_dead_letters_are_replayed_or_purged(
    mail: Mail,
) -> None:
    (deferred,) = await mail.send("acme", "deferred@one.example")
    later = {"from": "sales@bob.example", "to": "deferred@one.example", "subject": "", "text": "x"}
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    planned = await mail.operator.post(
        "/messages", params={"tenant": "bob"}, json=later | {"run_at": tomorrow}
    )
    refused = await mail.send("acme", "refused@one.example", "refused@two.example")
    await mail.work_off()
    assert await mail.post("/mailq/retry", recipient_domain="one.example") == {
        "changed": 1,
        "next": None,
    }
    await mail.work_off()
    message = (await mail.operator.get(f"/messages/{deferred}")).json()["message"]
    assert (message["state"], message["attempts"]) == ("deferred", 2)
    assert await mail.state(planned.json()["id"]) == "queued"
    dead = await mail.items("/queue/dead", code="content_refused")
    assert [(d["id"], d["tenant"], d["to"], d["words"]) for d in dead] == [
        (refused[1], "acme", "refused@two.example", "550 5.7.1 no"),
        (refused[0], "acme", "refused@one.example", "550 5.7.1 no"),
    ]
    assert (await mail.post("/queue/dead/replay", ids=refused[:1]))["changed"] == 1
    assert await mail.state(refused[0]) == "queued"
    assert (await mail.post("/queue/dead/purge", tenant="acme", code="content_refused")) == {
        "changed": 1,
        "next": None,
    }
    assert await mail.items("/queue/dead") == []
    assert await mail.state(refused[1]) == "bounced_content"
    assert [reason for _, reason, _ in await mail.events()] == ["Retried", "Replayed", "Purged"]


async def test_unknown_outcome_is_resolved_once_and_all_or_none(mail: Mail) -> None:
    lost = await mail.send("acme", "lost@one.example", "lost@two.example")
    (sent,) = await mail.send("bob", "sent@one.example")
    await mail.work_off()
    listed = await mail.items("/mailq/unknown")
    assert [(u["id"], u["tenant"], u["code"]) for u in listed] == [
        (lost[1], "acme", "worker_lost"),
        (lost[0], "acme", "worker_lost"),
    ]
    answer = await mail.operator.post(
        "/mailq/resolve", json=WHY | {"ids": [lost[0], sent], "delivered": True}
    )
    assert_shows(answer.json(), faults.NOT_UNKNOWN, id=sent)
    assert await mail.state(lost[0]) == "unknown"
    await mail.post("/mailq/resolve", ids=lost[:1], delivered=True)
    await mail.post("/mailq/resolve", ids=lost[1:], delivered=False)
    assert await mail.items("/mailq/unknown") == []
    explained = (await mail.operator.get(f"/messages/{lost[0]}")).json()
    assert explained["message"]["state"] == "accepted"
    assert explained["decisions"][-1]["message"] == f"delivered: {WHY['reason']}"
    assert await mail.state(lost[1]) == "queued"
    assert [reason for _, reason, _ in await mail.events()] == ["Resolved", "Resolved"]


async def test_unknown_outcomes_of_a_selection_are_resolved(mail: Mail) -> None:
    lost = await mail.send("acme", "lost@one.example", "lost@one.example")
    (other,) = await mail.send("acme", "lost@two.example")
    (of_bob,) = await mail.send("bob", "lost@one.example")
    await mail.work_off()
    selection = {"tenant": "acme", "code": "worker_lost", "recipient_domain": "one.example"}
    for changed in (2, 0):
        done = await mail.post("/mailq/resolve", **selection, delivered=False)
        assert done == {"changed": changed, "next": None}
    assert [await mail.state(id_) for id_ in lost] == ["queued", "queued"]
    nothing = await mail.post("/mailq/resolve", code="database_restored", delivered=False)
    assert nothing == {"changed": 0, "next": None}
    answer = await mail.operator.post("/mailq/resolve", json=WHY | {"delivered": True})
    assert_shows(answer.json()["violations"][0], faults.NO_SELECTION)
    assert [await mail.state(id_) for id_ in (other, of_bob)] == ["unknown", "unknown"]


async def test_traffic_and_metrics_show_what_waits_and_for_how_long(mail: Mail) -> None:
    await mail.send("acme", "refused@one.example", "sent@one.example")
    await mail.work_off()
    await mail.send("acme", "held@one.example")
    await mail.send("bob", "due@one.example")
    await hold(mail, "acme")
    top = (await mail.operator.get("/queue/top")).json()
    assert [(b["tenant"], b["mails"], b["is_held"], b["code"]) for b in top["buckets"]] == [
        ("bob", 1, False, None),
        ("acme", 1, True, "stopped"),
    ]
    assert (top["wait_p50"], top["rates"]) == (None, [])  # this worker writes no events
    answer = await mail.operator.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [line for line in answer.text.splitlines() if line.startswith("penguin_queue_mails")]
    assert samples == [
        'penguin_queue_mails{state="dead",reason="content_refused"} 1',
        'penguin_queue_mails{state="due",reason=""} 1',
        'penguin_queue_mails{state="held",reason="stopped"} 1',
    ]
    assert "# TYPE penguin_queue_wait_seconds summary" in answer.text  # with the label `quantile`


async def test_traffic_shows_connections_and_rates_that_senders_show(
    mail: Mail, app: FastAPI, pools: Database, valkey: str
) -> None:
    app.state.measuring = Measuring(pools, valkey)
    tenant_id = UUID((await mail.operator.get("/tenants/acme")).json()["id"])
    async with pools.begin(CONTROLLER) as connection:
        await publish(connection, tenant_id=tenant_id, entry=ENTRY)
    await mail.send("acme", "held@one.example")
    await hold(mail, "acme")
    bucket = LiveBucket(
        tenant_id=tenant_id, name=f"{SALES} other operator", ip=None, in_work=2, per_hour=6.25
    )
    address = {"name": "mx1-2", "ip": "198.18.1.2", "in_hand": 2, "waiting": 1, "connections": 1}
    address |= {"limit": 8, "breaker": "open", "reason": "host_busy"}
    one = Live(addresses=(LiveAddress.model_validate(address),), buckets=(bucket,))
    ended = asyncio.Event()

    async def top() -> dict[str, Any]:
        return dict((await mail.operator.get("/queue/top")).json())

    async with mail.worked_on(), asyncio.TaskGroup() as group:
        group.create_task(show(valkey, "w", lambda: one, ended))
        found = await reached(top, lambda top: bool(top["shown_senders"]))
        ended.set()
    assert found["addresses"] == [{"tenant": "acme"} | address]
    [shown] = found["buckets"]
    assert (shown["in_work"], shown["per_hour"]) == (2, 6.25)
    assert (found["workers"], found["shown_senders"]) == (1, 1)
    gone = await reached(top, lambda top: not top["shown_senders"])
    assert (gone["addresses"], gone["buckets"][0]["per_hour"]) == ([], None)


async def test_queue_is_for_operators_and_a_selection_says_something(
    mail: Mail, client_of: Any
) -> None:
    acme = (await mail.operator.get("/tenants/acme")).json()
    tenant = await client_of(acme["id"])
    for path in ("/queue", "/queue/top", "/metrics", "/queue/dead", "/mailq", "/mailq/unknown"):
        assert_shows((await tenant.get(path)).json(), faults.OPERATORS_ONLY)
    for path in ("/queue/dead/replay", "/queue/dead/purge", "/mailq/release", "/mailq/withdraw"):
        assert_shows(
            (await tenant.post(path, json=WHY | {"code": "stopped"})).json(), faults.OPERATORS_ONLY
        )
        (violation,) = (await mail.operator.post(path, json=WHY)).json()["violations"]
        assert_shows(violation, faults.NO_SELECTION)
    recover = WHY | {"since": "2026-11-24T12:00:00Z", "treat_as": "resend"}
    assert_shows(
        (await mail.operator.post("/queue/recover", json=recover)).json(), faults.NOT_RESTORED
    )
