"""Two senders whose claimed messages wait in the same lists in Redis."""

from __future__ import annotations

from collections import Counter
from functools import partial

import psycopg
from pydantic import SecretStr

from sender.directory import SendingMailbox
from sender.metrics import Metrics
from sender.outbox import enqueue_all
from sender.queue import operations
from sender.reasons import SPREAD
from sender.schemas import State
from tests.support.waiting import reached

from .conftest import DEADLINE, mail, reaches, sending, tenant_transaction, value

DONE = "select count(*) from queue.records where state = 'done'"
HELD = "select count(*) from queue.buckets where held_until > now()"
SENDERS = "select count(distinct worker) from queue.slots where worker is not null"
TRIED_IN_VAIN = 20
"""More than both senders may have in work when the cap is reached."""


def ended(metrics: Metrics, outcome: str) -> float:
    """Return how many attempts have ended with an outcome."""
    lines = [line for line in metrics.text().splitlines() if f'{{outcome="{outcome}"' in line]
    return sum(float(line.split()[-1]) for line in lines)


async def test_mail_is_handed_over_once_by_whichever_sender_takes_it(
    settings, entry, publish, submit, sink, sender_engine, api_engine, tenant_id, upgraded, valkey
):
    """One of them serves the tenant; the other gets its mail through the lists alone."""
    box = SendingMailbox(address="sales@acme.example", daily_cap=60)
    await publish(entry.model_copy(update={"mailboxes": (box,)}))
    shared = settings.model_copy(update={"lists_url": SecretStr(valkey)})
    first, second = Metrics(), Metrics()
    recipients = [f"bob{number}@rcpt.example" for number in range(80)]
    async with sending(shared, first), sending(shared, second):
        await reached(partial(value, sender_engine, SENDERS), (2).__eq__, seconds=DEADLINE)
        async with tenant_transaction(api_engine, tenant_id) as connection:
            await enqueue_all(
                connection,
                tenant_id=tenant_id,
                messages=[mail(to=recipient) for recipient in recipients],
                idempotency_key=None,
            )
        await reached(partial(value, sender_engine, DONE), (60).__eq__, seconds=DEADLINE)
        await reached(partial(value, sender_engine, HELD), seconds=DEADLINE)
        wider = box.model_copy(update={"daily_cap": 120})
        await publish(entry.model_copy(update={"mailboxes": (wider,)}))
        await reached(partial(value, sender_engine, DONE), (80).__eq__, seconds=DEADLINE)
        async with await psycopg.AsyncConnection.connect(upgraded) as admin:
            (bucket,) = await operations.buckets(admin, tenant_id)
            await operations.hold(admin, tenant_id, [bucket.name], None, SPREAD)
        await reaches(sender_engine, await submit(), State.ACCEPTED)  # held by either sender
    received = Counter(to for one in sink.mails for to in one.rcpt_tos)
    assert received == Counter([*recipients, "bob@rcpt.example"])
    for metrics in (first, second):
        done, released = ended(metrics, "done"), ended(metrics, "released")
        assert done > 0
        assert released < TRIED_IN_VAIN
