"""What a hand-over that was not tried leaves."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from sender.dispatch.sending import Sending
from sender.queue import Job, State
from sender.smtp import Outcome, Result, Stage

JOB = Job(UUID(int=1), UUID(int=2), 1, 1, 0, b"")


@pytest.mark.parametrize("result", [Result.BUSY, Result.BROKEN, Result.REFUSED, Result.UNKNOWN])
def test_mail_that_a_failed_address_did_not_get_is_tried_again(result: Result) -> None:
    """The breaker answers with the result of the mail that opened it."""
    nothing: Any = None
    clock: Any = SimpleNamespace(now=lambda: datetime.now(UTC))
    sending = Sending(
        nothing, nothing, nothing, nothing, nothing, "https://app.example", clock, 1, nothing
    )
    route: Any = SimpleNamespace()
    route.address = SimpleNamespace(name="mx1-2", ip="127.0.0.1", helo="mx1-2.acme.example")
    untried = Outcome(result, "answer_lost", "the connection broke", Stage.WAITING)
    outcome = sending._handed_over(JOB, route, untried)
    assert (outcome.state, outcome.spent, outcome.life) == (State.RETRY, 0, None)
    assert outcome.delay.total_seconds() < 5
