"""Events become progress lines, and failures become errors that somebody can act on."""

from __future__ import annotations

import pytest

from controlplane.ansible.errors import Failure, explain
from controlplane.ansible.run import Events


def event(kind: str, **data: object) -> dict[str, object]:
    return {"event": kind, "event_data": data}


def test_lines_say_host_result_and_task() -> None:
    lines: list[str] = []
    events = Events("mx1", lines.append)

    events.take(event("runner_on_ok", task="Install packages", res={"changed": True}))
    events.take(event("runner_on_ok", task="Look", res={"changed": False}))
    events.take(event("runner_on_skipped", task="Nothing"))
    events.take(event("playbook_on_stats", changed={"mx1": 1}))

    assert lines == ["mx1: changed: Install packages", "mx1: ok: Look"]
    assert events.changed == 1
    assert events.failure is None


def test_no_event_is_kept_as_a_file() -> None:
    events = Events("mx1", lambda _: None)

    assert events.take(event("runner_on_ok", task="x", res={})) is False


def test_the_words_of_a_failure_are_gathered_from_the_module_and_its_items() -> None:
    events = Events("mx1", lambda _: None)
    items = [{"failed": True, "msg": "no such user"}, {"failed": False, "msg": "fine"}]

    events.take(event("runner_on_failed", task="Create accounts", res={"results": items}))

    assert events.failure == Failure("Create accounts", "no such user", unreachable=False)


def test_a_silent_task_that_fails_says_that_its_words_are_hidden() -> None:
    lines: list[str] = []
    events = Events("mx1", lines.append)

    events.take(event("runner_on_failed", task="Write keys", res={"censored": "hidden"}))

    assert "hidden" in lines[0]


@pytest.mark.parametrize(
    ("message", "unreachable", "code", "retryable"),
    [
        ("Host key verification failed.", True, "hosts.host_key_changed", False),
        ("root@198.18.1.10: Permission denied (publickey).", True, "hosts.ssh_refused", True),
        ("connect to host 198.18.1.10 port 22: timed out", True, "hosts.unreachable", True),
        ("[Errno 28] No space left on device", False, "hosts.disk_full", True),
        ("You don't have enough free space in /var/cache", False, "hosts.disk_full", True),
        ("Failed to update apt cache: unknown", False, "hosts.packages_unavailable", True),
        ("No package matching 'postfix'", False, "hosts.packages_unavailable", True),
        ("Failed to lock apt for exclusive operation", False, "hosts.package_manager_busy", True),
        (
            "The module interpreter '/usr/bin/python3' was not found.",
            False,
            "hosts.python_missing",
            False,
        ),
        ("not running: postfix@-.service", False, "hosts.playbook_failed", True),
    ],
)
def test_failures_have_a_stable_code_a_place_and_a_remedy(
    message: str, unreachable: bool, code: str, retryable: bool
) -> None:
    error = explain(Failure("Install packages", message, unreachable=unreachable), "mx1")

    assert error.code == code
    assert error.retryable is retryable
    assert error.where == "host/mx1"
    assert error.remedy
    assert message in str(error)
