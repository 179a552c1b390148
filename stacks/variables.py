"""Environment variables by which the control plane speaks to the program."""

from __future__ import annotations

FORGOTTEN_ZONES = "PENGUIN_FORGOTTEN_ZONES"
"""Names of zones that a person gave up, separated by spaces."""
