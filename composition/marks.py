"""Environment variables that mark our processes, so that leftovers of a killed one can be ended."""

from __future__ import annotations

CONTROL_PLANE = "PENGUIN_SERVE"
"""In every process of a control plane: its state directory."""
PART = "PENGUIN_PART"
"""In every process that one process of a part has started."""
