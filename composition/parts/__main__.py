"""`python -m composition.parts MODULE`: load the module of a part, and run its `main`."""

from __future__ import annotations

import sys
from importlib import import_module

from kit.packages import absent, loaded_for_good


def main() -> None:
    """Run the part; what libraries would load for a terminal or for telemetry, no part uses."""
    # structlog and redis load them if installed.
    with loaded_for_good(), absent("rich"), absent("opentelemetry.sdk"):
        part = import_module(sys.argv[1])
    part.main()


if __name__ == "__main__":
    main()
