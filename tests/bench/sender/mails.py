"""The mails of the bench: each is different, with some 5 KB of text and HTML."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

from sender.compose import compose
from sender.dkim import Signer
from sender.footer import Footer
from sender.schemas import OutgoingMessage
from tests.bench.sender.world import RECIPIENTS, dkim_key

WORDS = [
    "offer", "order", "account", "customer", "delivery", "invoice", "meeting", "project",
    "quarter", "reply", "service", "team", "update", "value", "week", "about", "after", "because",
    "between", "during", "every", "from", "have", "into", "more", "number", "over", "people",
    "please", "quick", "several", "should", "their", "through", "under", "very", "which", "would",
    "café", "Zürich", "naïve",
]  # fmt: skip
PARAGRAPHS, PARAGRAPH = 500, 420
"""How many there are, and characters of each."""
IN_TEXT, IN_HTML = 3, 8
RECIPIENT = f"r{{number}}@{RECIPIENTS}"


@cache
def _paragraphs() -> Sequence[str]:
    source = random.Random(1)  # noqa: S311 - content, no secret
    found = []
    for _ in range(PARAGRAPHS):
        words: list[str] = []
        while sum(map(len, words)) + len(words) < PARAGRAPH:
            words.append(source.choice(WORDS))
        found.append(" ".join(words))
    return found


def message(number: int, from_address: str) -> OutgoingMessage:
    """Return the message with a number; the same number, the same message."""
    source = random.Random(number)  # noqa: S311 - content, no secret
    name = f"Person {number}"
    paragraphs = source.choices(_paragraphs(), k=IN_TEXT + IN_HTML)
    shown = [f'  <p style="margin:0 0 12px">{text}</p>' for text in paragraphs[IN_TEXT:]]
    link = '<p><a href="{{unsubscribe_url}}">Unsubscribe</a></p>'
    html = "\n".join(["<html><body>", f"<h1>Hello {name}</h1>", *shown, link, "</body></html>"])
    return OutgoingMessage.model_validate(
        {
            "from": from_address,
            "from_name": "Sales Team",
            "to": RECIPIENT.format(number=number),
            "to_name": name,
            "subject": f"{name}, {paragraphs[0][:30]}",
            "text": f"Hello {name},\n\n" + "\n\n".join(paragraphs[:IN_TEXT]),
            "html": html,
            "campaign": "bench",
        }
    )


@cache
def ready_mails(count: int = 200) -> Sequence[str]:
    """Return composed and signed mails."""
    signer = Signer.from_pem("d0.t0.example", "s1", dkim_key()[0])
    now = datetime.now(UTC)
    return [
        signer.sign(
            compose(
                message(number, "box0@d0.t0.example"),
                message_id=f"<{number}@d0.t0.example>",
                unsubscribe_url=f"https://app.example/u/{'a' * 108}",
                footer=Footer("Bench Inc., 1 Main Street, Springfield"),
                now=now,
            ),
            now,
        ).decode("ascii")
        for number in range(count)
    ]


def ready_message(number: int, from_address: str) -> OutgoingMessage:
    """Return a message whose text is the whole mail."""
    mails = ready_mails()
    text = mails[number % len(mails)].replace("Message-ID: <", f"Message-ID: <{number}.", 1)
    return OutgoingMessage.model_validate(
        {
            "from": from_address,
            "to": RECIPIENT.format(number=number),
            "subject": f"Mail {number}",
            "text": text,
            "campaign": "bench",
        }
    )
