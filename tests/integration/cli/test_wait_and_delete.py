"""Output and exit codes of wait and delete, against a real API."""

from __future__ import annotations

import json
import threading

import pytest

from cli import faults
from tests.support.command_line import Terminal
from tests.support.faults import assert_shows


def test_wait_shows_each_change_and_ends_with_the_condition(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("DnsReady", "Unknown", "NotYetReported")

    def between_two_requests(_: float) -> None:
        plane.set("DnsReady", "True", "RecordsFound", "all 12")

    option = "--for=condition=DnsReady"
    assert penguin("wait", "tenant", "acme", option, sleep=between_two_requests) == 0
    *changes, end = capsys.readouterr().out.splitlines()
    assert changes[-1].partition(" s  ")[2] == "✓ DnsReady: all 12"
    assert end == "tenant/acme condition met: DnsReady"


def test_wait_with_conditions_of_an_older_generation_times_out(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "True", "Ready")
    plane.set("Stalled", "True", "CloudRefused")
    plane.run("update oltp.tenants set generation = generation + 1")
    assert penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=0.1s") == 1
    output = capsys.readouterr().err
    reason = "no reconcile pass of generation 2 yet; is a reconciler running?"
    assert_shows(output, faults.WAIT_TIMEOUT, seconds="0.1", reason=reason)


STALLED = ("Stalled", "True", "CloudflareZoneMissing", "zone acme.example does not exist")
NO_HOSTS = ("Ready", "Unknown", "HostsUnavailable", "real hosts cannot run here")


@pytest.mark.parametrize(
    ("condition", "code"), [(STALLED, faults.WAIT_STALLED), (NO_HOSTS, faults.WAIT_UNSUPPORTED)]
)
def test_wait_for_a_tenant_that_cannot_become_ready_fails_at_once(
    plane, penguin, file, capsys, condition, code
):
    penguin("apply", "-f", str(file))
    plane.set(*condition)
    assert penguin("wait", "tenant", "acme", "--for=condition=Ready") == 1
    assert_shows(capsys.readouterr().err, code, reason=": ".join(condition[2:]))


def test_delete_asks_and_waits_until_the_tenant_is_gone(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("delete", "tenant", "acme") == 1
    assert_shows(capsys.readouterr().err, faults.UNCONFIRMED)
    deletion = threading.Thread(target=plane.delete_when_requested)
    deletion.start()
    assert penguin("delete", "tenant", "acme", "--yes", "--wait", "--timeout=240s") == 0
    deletion.join()
    assert "tenant/acme deleted" in capsys.readouterr().out
    assert penguin("get", "tenant", "acme") == 1
    assert "error[resource.not_found]" in capsys.readouterr().err


def test_apply_and_wait_prints_one_document(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Ready", "True", "Ready")
    capsys.readouterr()
    assert penguin("apply", "-f", str(file), "--wait", "-o", "json") == 0
    assert [entry["outcome"] for entry in json.loads(capsys.readouterr().out)] == ["unchanged"]


def test_delete_answered_with_no_deletes_nothing(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    assert penguin("delete", "tenant", "acme", stdin=Terminal("n\n")) == 1
    output = capsys.readouterr().err
    assert "error[cli.unconfirmed]: nothing was changed: the answer was no" in output
    assert penguin("get", "tenant", "acme") == 0


def test_what_drains_is_released_and_what_is_lost_is_said(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))
    plane.set("Drained", "False", "Draining", "address/mx1-3: 1 mail on its host")
    for command in (("release", "acme", "--reason", "mx1 is dead"), ("delete", "acme", "--now")):
        assert penguin(*command, stdin=Terminal("n\n")) == 1
        shown = capsys.readouterr().err
        assert "Not waited for, as last seen: address/mx1-3: 1 mail on its host" in shown
        assert penguin(*command, "--yes") == 0
    assert penguin("events", "acme") == 0
    shown = capsys.readouterr().out
    assert "mx1 is dead" in shown
    assert "deleted with --now" in shown


def test_wait_interrupted_exits_with_130(plane, penguin, file, capsys):
    penguin("apply", "-f", str(file))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    assert penguin("wait", "tenant", "acme", "--for=condition=Ready", sleep=interrupt) == 130
    assert capsys.readouterr().err.endswith("interrupted\n")
