"""Events become progress lines, and failures become faults."""

from __future__ import annotations

import pytest

from controlplane.ansible import faults
from controlplane.ansible.errors import Failure, explain
from controlplane.ansible.run import Events
from kit.faults import Code
from tests.support.faults import assert_shows


def event(kind: str, **data: object) -> dict[str, object]:
    return {"event": kind, "event_data": data}


def test_line_has_host_result_and_task() -> None:
    lines: list[str] = []
    events = Events("mx1", lines.append)

    events.handle(event("runner_on_ok", task="Install packages", res={"changed": True}))
    events.handle(event("runner_on_ok", task="Look", res={"changed": False}))
    events.handle(event("runner_on_skipped", task="Nothing"))
    events.handle(event("playbook_on_stats", changed={"mx1": 1}))

    assert lines == ["mx1: changed: Install packages", "mx1: ok: Look"]
    assert events.changed == 1
    assert events.failure is None


def test_item_and_what_is_waited_for_have_a_line_each() -> None:
    lines: list[str] = []
    events = Events("mx1", lines.append)
    retry = event("runner_retry", task="Wait", res={"msg": "it answers 451"})

    events.handle(event("runner_item_on_ok", task="Fetch", res={"_ansible_item_label": "admin"}))
    events.handle(event("runner_item_on_ok", task="Write keys", res={"censored": "hidden"}))
    for _ in range(2):
        events.handle(retry)
    events.handle(event("runner_retry", task="Wait", res={"msg": "refused"}))

    assert lines == [
        "mx1: done: Fetch: admin",
        "mx1: waiting: Wait: it answers 451",
        "mx1: waiting: Wait: refused",
    ]


def test_event_is_not_kept_as_a_file() -> None:
    events = Events("mx1", lambda _: None)

    assert events.handle(event("runner_on_ok", task="x", res={})) is False


def test_failure_has_the_messages_of_module_and_items() -> None:
    events = Events("mx1", lambda _: None)
    items = [{"failed": True, "msg": "no such user"}, {"failed": False, "msg": "fine"}]

    events.handle(event("runner_on_failed", task="Create accounts", res={"results": items}))

    assert events.failure == Failure("Create accounts", "no such user", unreachable=False)


def test_failure_of_a_silent_task_says_that_its_message_is_hidden() -> None:
    lines: list[str] = []
    events = Events("mx1", lines.append)

    events.handle(event("runner_on_failed", task="Write keys", res={"censored": "hidden"}))

    assert "hidden" in lines[0]


@pytest.mark.parametrize(
    ("message", "unreachable", "code"),
    [
        ("Host key verification failed.", True, faults.HOST_KEY_CHANGED),
        ("root@198.18.1.10: Permission denied (publickey).", True, faults.SSH_REFUSED),
        ("connect to host 198.18.1.10 port 22: timed out", True, faults.UNREACHABLE),
        ("[Errno 28] No space left on device", False, faults.DISK_FULL),
        ("You don't have enough free space in /var/cache", False, faults.DISK_FULL),
        ("Failed to update apt cache: unknown", False, faults.PACKAGES_UNAVAILABLE),
        ("No package matching 'postfix'", False, faults.PACKAGES_UNAVAILABLE),
        (
            "another version of the engine does not work, the old one is back: Failed to fetch",
            False,
            faults.ENGINE_REFUSED,
        ),
        ("Could not get lock /var/lib/dpkg/lock", False, faults.PACKAGE_MANAGER_BUSY),
        ("another system than Debian 13: Debian GNU/Linux 12", False, faults.OTHER_SYSTEM),
        ("the clock is 3600.0 s behind 192.0.2.123 (limit: 1 s)", False, faults.CLOCK_WRONG),
        ("no time server answers: a.example: timed out", False, faults.CLOCK_WRONG),
        ("the resolver does not validate: …", False, faults.RESOLVER_WRONG),
        ("no image is pinned for front", False, faults.IMAGES_NOT_PINNED),
        (
            "no such host the image ghcr.io/mailu/admin@sha256:5f cannot be fetched",
            False,
            faults.IMAGES_UNAVAILABLE,
        ),
        ("mail that was accepted is not delivered yet", False, faults.MAIL_WAITS),
        ("Mailu holds 813 mails, and 812 may be destroyed", False, faults.MORE_MAIL),
        ("Mailu's application does not answer: timed out", False, faults.MAILU_SILENT),
        ("Mailu does not refuse what it has to: it answers 451", False, faults.MAILU_SILENT),
        ("the containers of /mailu are not started: …", False, faults.MAILU_SILENT),
        (
            "other images or settings of Mailu do not work, the earlier ones are back: …",
            False,
            faults.MAILU_REFUSED,
        ),
        ("not running: postfix@inbound.service", False, faults.TASK_FAILED),
    ],
)
def test_failure_has_the_code_of_its_message(message: str, unreachable: bool, code: Code) -> None:
    fault = explain(Failure("Install packages", message, unreachable=unreachable), "mx1")
    assert fault.where == "host/mx1"
    assert_shows(fault, code, task="Install packages", reason=message)
