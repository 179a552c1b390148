"""Mail that arrived is found by its Message-ID, wherever the receiver filed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.faults import NO_MESSAGE
from lab.receiver import messages, sender_of, wait_for_message
from tests.support.faults import assert_shows, printed


@pytest.fixture
def lab_with_mail(tmp_path: Path) -> Path:
    box = tmp_path / "hosts/rcpt/m/home/alice/Maildir/new"
    box.mkdir(parents=True)
    for number in (1, 2):
        text = f"Message-ID: <{number}@acme.example>\nSubject: S{number}\n\nText {number}\n"
        (box / f"file{number}").write_text(text)
    return tmp_path


def test_messages_received_are_listed_with_their_user(lab_with_mail: Path) -> None:
    received = [(user, str(message["Subject"])) for user, _, message in messages(lab_with_mail)]
    assert sorted(received) == [("alice", "S1"), ("alice", "S2")]


@pytest.mark.parametrize("message_id", ["2@acme.example", "<2@acme.example>"])
def test_message_id_with_or_without_brackets_is_found(lab_with_mail: Path, message_id: str) -> None:
    assert "Text 2" in wait_for_message(lab_with_mail, message_id)


def test_message_that_does_not_arrive_is_a_fault(lab_with_mail: Path) -> None:
    shown = printed(lambda: wait_for_message(lab_with_mail, "3@acme.example", 0))
    assert_shows(shown, NO_MESSAGE, message_id="3@acme.example", seconds=0)


def test_sender_is_read_from_the_header_of_the_receiver() -> None:
    text = (
        "Received: from mx.rcpt.example\n\tby localhost with LMTP\n\tid x; now\n"
        "Received: from mx1-2.acme.example (mx1-2.acme.example [198.18.1.11])\n"
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n"
        "\tby mx.rcpt.example (Postfix) with ESMTPS id 1\n"
        "Received: from [127.0.0.1] (x [198.18.0.1])\n\tby mx1-2.acme.example (Postfix)\n\nHi\n"
    )
    expected = "sent from 198.18.1.11, PTR mx1-2.acme.example, HELO mx1-2.acme.example"
    assert sender_of(text) == expected
