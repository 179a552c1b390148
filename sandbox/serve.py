"""`penguin serve` of a lab without hosts: parts, all by default, with the sandbox's reconciler."""

from __future__ import annotations

import sys

from composition.parts.settings import Part
from composition.serving import main, prepare

if __name__ == "__main__":
    parts = [Part(name) for name in sys.argv[1:]] or list(Part)
    prepare(parts)
    main(parts, reconciler="sandbox.reconciler")
