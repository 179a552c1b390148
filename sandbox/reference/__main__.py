"""`python -m sandbox.reference`: writes every page."""

from __future__ import annotations

from kit.paths import checkout
from sandbox.reference import pages

directory = checkout() / "docs" / "reference"
directory.mkdir(exist_ok=True)
for name, text in pages().items():
    (directory / name).write_text(text)
