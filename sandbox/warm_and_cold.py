"""The demo's second half: 1,000 mails of a warm tenant leave at once, beside those of a cold one.

The policy is the one of production. What makes 1,000 mails at once possible: five addresses, five
From domains and 35 mailboxes are warm, each mail has been asked for by its recipient, so that it
is not spread over the day, and no more than a fifth of any day's cap leaves in an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from cli.api import Api
from controlplane.inventory.schemas import MailboxPage
from controlplane.messages.schemas import QueuedBatch
from controlplane.queue.schemas.figures import TopView
from kit.waiting import wait_until
from lab.faults import FAILED
from sandbox.narration import heading, penguin, say

WARM, COLD = "globex", "acme"
FILE = Path("tenants") / f"{WARM}.yaml"
WARM_MAILS, COLD_MAILS = 1000, 20
WARM_DAY = 42
"""Of the longest curve: everything has reached its highest cap."""
MOVING = {"due", "scheduled", "claimed", "begun"}
SECONDS = 120.0
"""Time limit for all mails to be handed over or held."""


def show(environment: Mapping[str, str]) -> None:
    """Declare one tenant warm, queue its mails and those of a cold one, show what leaves."""
    api = Api(environment["PENGUIN_API_URL"], environment["PENGUIN_API_KEY"])
    heading("a tenant that has sent for years, and a new one")
    because = "has sent for three years from elsewhere"
    day = str(WARM_DAY)
    penguin(environment, "warmup", "set", f"tenant/{WARM}", "--day", day, "--reason", because)
    penguin(environment, "warmup", "show", f"tenant/{WARM}", "--kind", "address")
    penguin(environment, "warmup", "show", f"tenant/{COLD}")
    say("No more than a fifth of a day's cap leaves in an hour.")
    heading(f"{WARM_MAILS:,} mails of the one, {COLD_MAILS} of the other")
    for tenant, mails in ((WARM, _receipts(api)), (COLD, _campaign(api))):
        body = {"messages": list(mails)}
        queued = api.post("/messages/batch", QueuedBatch, body, tenant=tenant)
        say(f"POST /api/v1/messages/batch?tenant={tenant}: {len(queued.items):,} queued")
    if not wait_until(lambda: _has_settled(api), seconds=SECONDS, longest_pause=0.5):
        raise FAILED(part="the sender", reason=f"mails still wait after {SECONDS:g} s")
    penguin(environment, "top", "--once")
    heading("what is held, why, and until when")
    penguin(environment, "mailq")


def _receipts(api: Api) -> Iterator[dict[str, Any]]:
    """Yield mails that their recipients have asked for, from every mailbox in turn."""
    for number, mail in zip(count(1), islice(_mails(api, WARM), WARM_MAILS), strict=False):
        subject, text = f"Your receipt {number:04}", "Thank you for your order."
        yield mail | {"subject": subject, "text": text, "transactional": True}


def _campaign(api: Api) -> Iterator[dict[str, Any]]:
    for mail in islice(_mails(api, COLD), COLD_MAILS):
        yield mail | {"subject": "News from acme", "text": "Have a look.", "campaign": "news"}


def _mails(api: Api, tenant: str) -> Iterator[dict[str, Any]]:
    mailboxes = [one.name for one in api.pages("/mailboxes", MailboxPage, tenant=tenant)]
    recipients = cycle(("alice@rcpt.example", "bob@rcpt.example"))
    return ({"from": one, "to": to} for one, to in zip(cycle(mailboxes), recipients, strict=False))


def _has_settled(api: Api) -> bool:
    """Return whether each mail has left, or is held."""
    top = api.get("/queue/top", TopView)
    waits = any(depth.mails for depth in top.depths if depth.state in MOVING)
    return not waits and not any(address.in_hand for address in top.addresses)
