"""Errors of the lab."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("lab", "The Internet on one machine, for development")

FAILED = FAULTS.code(
    "lab.failed",
    message="{part} failed: {reason}",
    remedy="read `penguin lab logs`, then run `penguin lab down` and `penguin lab up`",
    cause="A part of the lab did not start, ended, or does not answer.",
    example={"part": "guest rcpt", "reason": "it does not answer on port 22"},
    retryable=True,
    acts=Actor.OPERATOR,
)
MACHINE_LACKS = FAULTS.code(
    "lab.machine_lacks",
    message="this machine lacks {what}",
    remedy="set it up, or use `--api-only`",
    cause="Real hosts need a Linux machine with some programs, files and rights.",
    example={"what": "a mounted cgroup2"},
    acts=Actor.OPERATOR,
)
NOT_RUNNING = FAULTS.code(
    "lab.not_running",
    message="the lab is not running",
    remedy="run `penguin lab up` or `make up`",
    cause="The command needs a lab of this checkout.",
    acts=Actor.OPERATOR,
)
TAKEN = FAULTS.code(
    "lab.taken",
    message="another lab is running on this machine, started from {owner}",
    remedy="end it with `penguin lab down` in that checkout, or use it",
    cause="A machine has one lab with real hosts, and a checkout has one lab.",
    example={"owner": "/home/alice/penguinmails"},
    acts=Actor.OPERATOR,
)
REMAINS = FAULTS.code(
    "lab.remains",
    message="{what} of the lab could not be ended or removed",
    remedy="end or remove it by hand, then run `penguin lab down` again",
    cause="Something outside the lab uses a part of it, or a process does not end.",
    example={"what": "process 4711"},
    acts=Actor.OPERATOR,
)
NO_MESSAGE = FAULTS.code(
    "lab.no_message",
    message="message {message_id} did not arrive within {seconds:g} s",
    remedy="read the host's log, and the receiver's: var/log/mail.log",
    cause="The receiving server of the lab has no such message.",
    example={"message_id": "<1@acme.example>", "seconds": 60},
    retryable=True,
    acts=Actor.OPERATOR,
)
NO_RECEIVER = FAULTS.code(
    "lab.no_receiver",
    message="a lab at API level receives no mail",
    remedy="start the lab with real hosts; `penguin lab status` shows what they lack",
    cause="Without real hosts the lab is its provider emulators only.",
    acts=Actor.OPERATOR,
)
NO_IMAGES = FAULTS.code(
    "lab.no_images",
    message="a lab at API level serves no images",
    remedy="start the lab with real hosts; `penguin lab status` shows what they lack",
    cause="Without real hosts the lab is its provider emulators only.",
    acts=Actor.OPERATOR,
)
