"""The message of a task whose module crashed has no traceback."""

from __future__ import annotations

from controlplane.ansible.run import Events

CRASH = """sh: warning: something
Traceback (most recent call last):
  File "<stdin>", line 12, in <module>
ValueError: embedded null byte
"""


def test_crashed_module_is_shown_by_its_error_alone() -> None:
    lines: list[str] = []
    events = Events("mx1", lines.append)
    result = {"msg": "MODULE FAILURE", "module_stderr": CRASH, "rc": 1}
    failed = {"task": "Write the base configuration", "res": result}
    events.handle({"event": "runner_on_failed", "event_data": failed})
    assert events.failure is not None
    assert "ValueError: embedded null byte" in events.failure.message
    assert "sh: warning: something" in events.failure.message
    assert "Traceback" not in "".join([*lines, events.failure.message])
