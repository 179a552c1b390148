"""`python -m composition.parts MODULE`: load the module of a part, and run its `main`.

What a part loads stays for all its life. So garbage is neither looked for meanwhile, which took up
to a third of a start, nor ever looked for among it.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from kit.packages import absent


def main() -> None:
    """Run the part; what libraries would load for a terminal or for telemetry, no part uses."""
    gc.disable()
    with absent("rich"), absent("opentelemetry.sdk"):  # structlog and redis load them if installed
        part = import_module(sys.argv[1])
    gc.freeze()
    gc.enable()
    part.main()


if __name__ == "__main__":
    main()
