"""Conditions as text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cli.conditions import Types, sentence
from controlplane.tenants.schemas import ConditionView

TYPES = Types(
    ("Ready", "DnsReady", "Verified", "Stalled", "Drifted", "Deleting"),
    ("DnsReady", "Verified"),
    frozenset({"Stalled", "Drifted", "Deleting"}),
)


def condition(
    type_: str, status: str, reason: str, message: str = "", subject: str = "tenant"
) -> ConditionView:
    return ConditionView(
        subject=subject,
        type=type_,
        status=status,
        reason=reason,
        message=message,
        observed_generation=1,
        last_transition_at=datetime(2026, 11, 26, 11, tzinfo=UTC),
    )


def page(*conditions: ConditionView, everything: bool = False) -> list[str]:
    return list(TYPES.page(conditions, everything=everything))


@pytest.mark.parametrize(
    ("reason", "message", "text"),
    [("DnsMissing", "no MX", "DnsMissing: no MX"), ("Ready", "", ""), ("Done", "", "Done")],
)
def test_sentence_has_no_colon_before_nothing_and_no_repeated_reason(reason, message, text):
    assert sentence(condition("Ready", "False", reason, message)) == text


def test_page_of_a_true_condition_shows_its_message_only():
    lines = page(condition("DnsReady", "True", "DnsVerified", "waiting: domain/b.example"))
    assert lines == ["  tenant", "    ✓ DnsReady              waiting: domain/b.example"]


def test_page_without_everything_leaves_out_flags_that_are_not_true():
    conditions = [
        condition("Drifted", "False", "AsApplied"),
        condition("Stalled", "True", "NoRoom"),
    ]
    assert page(*conditions) == ["  tenant", "    ! Stalled               NoRoom"]
    assert len(page(*conditions, everything=True)) == 3


def test_page_of_a_deletion_marks_it_as_in_progress():
    assert page(condition("Deleting", "True", "Deleting", "requested"))[1].startswith("    … ")


def test_page_orders_subjects_and_types_as_the_control_plane_does():
    lines = page(
        condition("Ready", "True", "Ready", subject="domain/a.example"),
        condition("Ready", "True", "Ready", subject="host/mx1"),
        condition("Verified", "True", "Verified"),
        condition("Unlisted", "True", "Reason"),
        condition("DnsReady", "True", "Found"),
    )
    assert [line.split()[-1] for line in lines] == [
        "tenant", "DnsReady", "Verified", "Unlisted", "host/mx1", "Ready", "domain/a.example",
        "Ready",
    ]  # fmt: skip


def test_page_of_a_summary_does_not_repeat_the_message_of_its_part():
    why = "the record is missing; set it at your DNS provider"
    lines = page(
        condition("Ready", "False", "DnsMissing", why),
        condition("DnsReady", "False", "DnsMissing", why),
    )
    assert lines[1] == "    ✗ Ready                 DnsMissing"
    assert " ".join(" ".join(lines).split()).count(why) == 1


def test_page_of_a_true_summary_keeps_its_message():
    lines = page(
        condition("Ready", "True", "Ready", "waiting: domain/b.example"),
        condition("DnsReady", "True", "DnsVerified", "waiting: domain/b.example"),
    )
    assert all(line.endswith("  waiting: domain/b.example") for line in lines[1:])
