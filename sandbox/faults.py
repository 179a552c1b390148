"""Faults of `make demo` and `make up`."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("sandbox", "The sandbox of `make demo` and `make up`")

OTHER_INSTALLATION = FAULTS.code(
    "sandbox.other_installation",
    message="this state directory contains an installation that was not made for the lab",
    remedy="set PENGUIN_STATE_DIR to another directory for the sandbox",
    cause="The sandbox starts empty with each lab, and would remove the installation's data.",
    acts=Actor.OPERATOR,
)
LAB_ALONE = FAULTS.code(
    "sandbox.lab_alone",
    message="a lab without a control plane is running on this machine",
    remedy="end it with `penguin lab down`, then try again",
    cause="The portal of a lab that was started alone reads another purchase journal.",
    acts=Actor.OPERATOR,
)
COMMAND_FAILED = FAULTS.code(
    "sandbox.command_failed",
    message="`penguin {command}` failed",
    remedy="read its message above or in its log; `make up` keeps the sandbox running",
    cause="One of the commands of the sandbox or the demo ended with an error.",
    example={"command": "send"},
    acts=Actor.OPERATOR,
)
