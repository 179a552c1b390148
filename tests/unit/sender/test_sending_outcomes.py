"""What a hand-over that was not tried leaves."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from sender import queue
from sender.dispatch.sending import Sending
from sender.dispatch.store import DatabaseClock
from sender.dispatch.tenants import Tenants
from sender.queue import Attempt, Job, State
from sender.queue.model import Intent
from sender.schemas import State as Shown
from sender.smtp import Outcome, Result, Stage

JOB = Job(UUID(int=1), UUID(int=2), 1, 1, 0, b"")


def sending(most_attempts: int = 3) -> Sending:
    """Return a handler that knows no tenants, without anything else that it works with."""
    nothing: Any = None
    clock = DatabaseClock()
    tenants = Tenants(clock, lambda _: 1)
    url = "https://app.example"
    return Sending(
        tenants, nothing, nothing, nothing, nothing, url, clock, most_attempts, nothing, nothing
    )


def after(done: Outcome, most_attempts: int = 3) -> queue.Outcome:
    """Return the outcome of a job whose hand-over ended so."""
    route: Any = SimpleNamespace()
    route.address = SimpleNamespace(name="mx1-2", ip="127.0.0.1", helo="mx1-2.acme.example")
    return sending(most_attempts)._handed_over(JOB, route, done)


@pytest.mark.parametrize("result", [Result.BUSY, Result.BROKEN, Result.REFUSED, Result.UNKNOWN])
def test_mail_that_a_failed_address_did_not_get_is_tried_again(result: Result) -> None:
    """The breaker answers with the result of the mail that opened it."""
    untried = Outcome(result, "answer_lost", "the connection broke", Stage.WAITING)
    outcome = after(untried, most_attempts=1)
    assert (outcome.state, outcome.spent, outcome.life) == (State.RETRY, 0, None)
    assert outcome.delay.total_seconds() < 5


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.WAITING])
@pytest.mark.parametrize(
    ("result", "state", "shown", "spent"),
    [
        (Result.ACCEPTED, State.DONE, Shown.ACCEPTED, 1),
        (Result.BUSY, State.RETRY, Shown.DEFERRED, 1),
        (Result.BROKEN, State.RETRY, Shown.DEFERRED, 1),
        (Result.REFUSED, State.RETRY, Shown.DEFERRED, 0),
        (Result.CONTENT, State.DEAD, Shown.BOUNCED_CONTENT, 1),
        (Result.UNKNOWN, State.UNKNOWN, Shown.UNKNOWN, 1),
    ],
)
def test_state_of_a_mail_says_whether_it_is_tried_again(
    result: Result, state: State, shown: Shown, spent: int, stage: Stage
) -> None:
    """Whatever the step, `RETRY` is the only one after which a mail is handed over again."""
    outcome = after(Outcome(result, "reason", "421 4.3.2 reply", stage))
    report: Any = outcome.data
    assert (outcome.state, report["state"], outcome.spent) == (state, shown, spent)
    assert report["details"]["reply"] == "421 4.3.2 reply"
    assert (outcome.delay.total_seconds() > 1) == (state is State.RETRY)
    assert (report["held_ip"] == "127.0.0.1") == (result is Result.REFUSED)


@pytest.mark.parametrize(("begins", "state"), [(False, State.RELEASED), (True, State.UNKNOWN)])
async def test_mail_that_has_begun_is_not_given_back_whatever_breaks(
    monkeypatch: pytest.MonkeyPatch, begins: bool, state: State
) -> None:
    async def begin(_intent: Intent) -> None:
        """Commit nothing."""

    async def breaks(attempt: Attempt) -> None:
        if begins:
            await attempt.begin()
        raise OSError("broken pipe")

    handler = sending()
    monkeypatch.setattr(handler, "_carry", breaks)
    assert (await handler(Attempt(JOB, begin))).state is state
