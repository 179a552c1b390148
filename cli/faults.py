"""What the client itself refuses; everything else that it shows comes from the API or a room."""

from __future__ import annotations

from kit.faults import Table

FAULTS = Table("cli", "The command line")

USAGE = FAULTS.code(
    "usage",
    message="{mistake}",
    remedy="{remedy}",
    cause="The command line cannot be understood, or its values contradict each other.",
    example={"mistake": "No such command 'aply'", "remedy": "see `penguin --help`"},
)
