"""`penguin serve` of a lab without hosts: all parts, with the sandbox's reconciler."""

from __future__ import annotations

from composition.parts.settings import Part
from composition.serving import main, prepare

if __name__ == "__main__":
    prepare(list(Part))
    main(list(Part), reconciler="sandbox.reconciler")
