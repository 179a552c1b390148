"""Environment variables by which the control plane speaks to the program."""

from __future__ import annotations

FORGOTTEN_ZONES = "PENGUIN_FORGOTTEN_ZONES"
"""Names of zones that a person gave up, separated by spaces."""
REPLACED_GENERATION = "PENGUIN_REPLACED_GENERATION"
"""Generation of a state that a person decided to replace, although ours is lower."""
BACKGROUND = "PENGUIN_BACKGROUND"
"""Set for background operations: their requests leave room for those of people."""
