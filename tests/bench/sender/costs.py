"""The processor time of the steps of a mail that need nothing but the processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

from sender.compose import compose
from sender.dkim import Signer
from sender.footer import Footer
from sender.outbox import decoded, encoded
from sender.suppression import recipient_hash
from sender.tokens import Tokens
from tests.bench.sender import mails
from tests.bench.sender.world import dkim_key

REPETITIONS, ROUNDS = 100, 5
DOMAIN = "d0.t0.example"
COMPOSING = ("compose", "sign (RSA-2048)")
"""Steps that ready mails do without."""
ID = UUID(int=0x0199_0000_0000_7000_8000_0000_0000_0000)


def steps() -> Mapping[str, float]:
    """Return the microseconds of each step, by name: the best of some rounds."""
    message, now = mails.message(1, f"box0@{DOMAIN}"), datetime.now(UTC)
    body, tokens = encoded(message), Tokens(b"a" * 32)
    url = f"https://app.example/u/{tokens.unsubscribe(ID, recipient_hash(message.to))}"
    footer = Footer("Bench Inc., 1 Main Street, Springfield")
    signer = Signer.from_pem(DOMAIN, "s1", dkim_key()[0])

    def write() -> bytes:
        return compose(
            message, message_id=f"<1@{DOMAIN}>", unsubscribe_url=url, footer=footer, now=now
        )

    mail = write()

    def make_tokens() -> None:
        tokens.unsubscribe(ID, recipient_hash(message.to))
        tokens.return_path(ID, "127.0.0.1", f"b.{DOMAIN}")

    return {
        "read the job's body": _microseconds(lambda: decoded(body)),
        "return path and unsubscribe link": _microseconds(make_tokens),
        COMPOSING[0]: _microseconds(write),
        COMPOSING[1]: _microseconds(lambda: signer.sign(mail, now)),
    }


def _microseconds(step: Callable[[], object]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPETITIONS):
            step()
        rounds.append((time.process_time() - began) / REPETITIONS)
    return min(rounds) * 1e6
