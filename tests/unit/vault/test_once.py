"""An answer is opened by the process that asked, and by no other."""

from __future__ import annotations

import pytest

from tests.support.faults import fault_shown
from vault import Recipient, seal_for
from vault.faults import DAMAGED_ENVELOPE


def test_an_answer_is_opened_by_its_recipient() -> None:
    recipient = Recipient()
    assert recipient.open(seal_for(recipient.public, b"a token")) == b"a token"


def test_no_other_recipient_opens_it() -> None:
    sealed = seal_for(Recipient().public, b"a token")
    with fault_shown(DAMAGED_ENVELOPE):
        Recipient().open(sealed)


def test_two_answers_to_one_question_have_nothing_in_common() -> None:
    recipient = Recipient()
    assert seal_for(recipient.public, b"x")[:43] != seal_for(recipient.public, b"x")[:43]


@pytest.mark.parametrize("garbled", ["", "AAAA", "not base64!", "A" * 88])
def test_what_is_no_answer_is_refused(garbled: str) -> None:
    with fault_shown(DAMAGED_ENVELOPE):
        Recipient().open(garbled)
