"""`penguin suppressions` against a real API."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from blueprint.faults import INVALID_VALUE
from cli import faults
from controlplane.suppressions.schemas import MOST_ADDRESSES
from sender.faults import NOT_JUSTIFIED
from tests.support.faults import assert_shows

ACME = ("--tenant", "acme")
BOB = "bob@rcpt.example"


@pytest.fixture
def acme(plane, penguin, file: Path, capsys):
    penguin("apply", "-f", str(file))
    capsys.readouterr()


@pytest.fixture
def listed(acme, penguin, capsys):
    """Return the reasons of all suppressions of the tenant."""

    def listed() -> list[str]:
        capsys.readouterr()
        assert penguin("suppressions", "list", *ACME, "-o", "json") == 0
        return [item["reason"] for item in json.loads(capsys.readouterr().out)]

    return listed


def test_address_is_added_looked_up_and_removed(listed, penguin, capsys):
    assert penguin("suppressions", "check", BOB, *ACME) == 0
    assert capsys.readouterr().out == f"{BOB} is not suppressed\n"
    assert penguin("suppressions", "add", BOB, "BOB@rcpt.example", "eve@rcpt.example", *ACME) == 0
    assert capsys.readouterr().out == "2 added (manual), 0 known before\n"
    assert penguin("suppressions", "add", BOB, "--reason", "unsubscribed", *ACME) == 0
    capsys.readouterr()
    assert penguin("suppressions", "check", "Bob@rcpt.example", *ACME) == 0
    head, manual, unsubscribed = capsys.readouterr().out.splitlines()
    assert head == "Bob@rcpt.example is suppressed"
    assert manual.startswith("  manual: api by key pm_live_")
    assert unsubscribed.startswith("  unsubscribed: api by key pm_live_")
    assert listed() == ["unsubscribed", "manual", "manual"]
    assert penguin("suppressions", "list", *ACME, "--reason", "unsubscribed") == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["RECIPIENT", "REASON", "SOURCE", "ADDED"]
    assert row.split()[1:3] == ["unsubscribed", "api"]

    assert penguin("suppressions", "remove", BOB, *ACME) == 1
    assert_shows(capsys.readouterr().err, NOT_JUSTIFIED)
    assert penguin("suppressions", "remove", BOB, "--justification", "asked again", *ACME) == 0
    assert capsys.readouterr().out == f"{BOB} removed (manual, unsubscribed)\n"
    assert penguin("suppressions", "remove", BOB, *ACME) == 0
    assert capsys.readouterr().out == f"{BOB} unchanged: it was not suppressed\n"
    assert listed() == ["manual"]


def test_file_with_mistakes_names_each_line_and_adds_nothing(listed, penguin, capsys, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(f"{BOB}\n\nbob@rcpt.example.\r\nBob <bob@münchen.example>\n")
    assert penguin("suppressions", "add", "-f", str(path), *ACME) == 1
    error = capsys.readouterr().err
    for line, value, remedy in (
        (3, '"bob@rcpt.example."', f"write the domain without a final dot; did you mean {BOB}?"),
        (
            4,
            '"Bob <bob@münchen.example>"',
            (
                "write one address alone, without a name or a comment beside it; "
                "did you mean bob@xn--mnchen-3ya.example?"
            ),
        ),
    ):
        assert_shows(error, INVALID_VALUE, key=f"line {line}", value=value, remedy=remedy)
        assert f"  at: {path}:{line}\n" in error
    assert listed() == []


def test_large_file_is_added_in_batches_and_a_failure_says_how_far_it_came(
    acme, penguin, plane, capsys, tmp_path
):
    path = tmp_path / "list.txt"
    count = 2 * MOST_ADDRESSES + 10
    path.write_text("".join(f"{number}@rcpt.example\n" for number in range(count)), "utf-16")
    plane.run(
        "alter table suppression.entries add constraint refused check "
        f"(recipient <> sha256('{count - 1}@rcpt.example'))"
    )
    assert penguin("suppressions", "add", "-f", str(path), *ACME) == 1
    words = f"{2 * MOST_ADDRESSES} of {count} addresses are suppressed; add all again"
    assert capsys.readouterr().err.startswith(f"{words}\nerror[")
    plane.run("alter table suppression.entries drop constraint refused")
    stdin = io.TextIOWrapper(io.BytesIO(path.read_bytes()))
    assert penguin("suppressions", "add", "-f", "-", *ACME, stdin=stdin) == 0
    assert capsys.readouterr().out == f"10 added (manual), {2 * MOST_ADDRESSES} known before\n"


def test_nothing_to_add_is_refused(acme, penguin, capsys, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n")
    for arguments in ((), ("-f", str(empty))):
        assert penguin("suppressions", "add", *arguments, *ACME) == 1
        remedy = "name addresses, or a file of them by -f"
        assert_shows(
            capsys.readouterr().err, faults.USAGE, mistake="no address is given", remedy=remedy
        )
    assert penguin("suppressions", "add", "bob", *ACME) == 1
    assert_shows(capsys.readouterr().err, INVALID_VALUE, key="ADDRESS", value='"bob"', remedy=...)
