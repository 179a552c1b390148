"""`python -m sandbox.reference`: writes every page."""

from __future__ import annotations

from kit.paths import checkout
from sandbox.reference import pages

place = checkout() / "docs" / "reference"
place.mkdir(exist_ok=True)
for name, text in pages().items():
    (place / name).write_text(text)
