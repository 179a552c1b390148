"""`python -m composition.reference`: writes every page."""

from __future__ import annotations

from composition.reference import pages
from kit.paths import checkout

place = checkout() / "docs" / "reference"
place.mkdir(exist_ok=True)
for name, text in pages().items():
    (place / name).write_text(text)
