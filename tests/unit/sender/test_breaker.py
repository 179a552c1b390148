"""What an address that is paused says of mails that were not tried."""

from __future__ import annotations

import pytest

from sender.smtp.breaker import Breaker
from sender.smtp.limits import Limits
from sender.smtp.outcomes import Outcome, Result, Stage


@pytest.mark.parametrize("result", [Result.UNKNOWN, Result.BUSY, Result.BROKEN, Result.REFUSED])
def test_mail_that_was_not_tried_is_never_unknown(result: Result) -> None:
    breaker = Breaker(Limits())
    breaker.failed(Outcome(result, "reason", "words", Stage.ANSWER, begun=True), now=0.0)
    given = breaker.enter(now=1.0)
    assert given is not None
    assert (given.stage, given.begun) == (Stage.WAITING, False)
    assert given.result is (Result.BROKEN if result is Result.UNKNOWN else result)
    assert given.reason == ("connection_lost" if result is Result.UNKNOWN else "reason")
