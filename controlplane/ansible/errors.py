"""Maps failed tasks to faults by the messages of their modules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controlplane.ansible import faults
from kit.faults import Code, Fault


@dataclass(frozen=True)
class Failure:
    """A failed task, with the module's message."""

    task: str
    message: str
    unreachable: bool


def _rules(*pairs: tuple[str, Code]) -> tuple[tuple[re.Pattern[str], Code], ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), code) for pattern, code in pairs)


_UNREACHABLE = _rules(
    (
        (
            "host key verification failed|remote host identification has changed|"
            "no .* host key is known"
        ),
        faults.HOST_KEY_CHANGED,
    ),
    (
        "permission denied|too many authentication failures|authentication failed",
        faults.SSH_REFUSED,
    ),
    ("", faults.UNREACHABLE),
)
_FAILED = _rules(
    ("^the clock is|^no time server answers", faults.CLOCK_WRONG),
    ("^the resolver does not validate", faults.RESOLVER_WRONG),
    ("another version of the engine", faults.ENGINE_REFUSED),
    ("^no image is pinned", faults.IMAGES_NOT_PINNED),
    ("^other images or settings of Mailu", faults.MAILU_REFUSED),
    ("no space left on device|disk quota exceeded|enough free space", faults.DISK_FULL),
    ("the image .* cannot be fetched", faults.IMAGES_UNAVAILABLE),
    (
        (
            "failed to fetch|failed to update apt cache|no package matching|"
            "unable to locate package|could not resolve|unable to correct problems|apt.* failed"
        ),
        faults.PACKAGES_UNAVAILABLE,
    ),
    ("could not get lock|failed to lock apt", faults.PACKAGE_MANAGER_BUSY),
    ("another system than", faults.OTHER_SYSTEM),
    ("mail that was accepted is not delivered", faults.MAIL_WAITS),
    ("Mailu holds [0-9]+ mails, and", faults.MORE_MAIL),
    ("^Mailu('s| does)|^the containers of .* are not started", faults.MAILU_SILENT),
    ("", faults.TASK_FAILED),
)


def explain(failure: Failure, host: str) -> Fault:
    """Return the fault of a failed task."""
    rules = _UNREACHABLE if failure.unreachable else _FAILED
    code = next(code for pattern, code in rules if pattern.search(failure.message))
    where = f"host/{host}"
    return code(task=failure.task, reason=failure.message, where=where)
