"""All files of named queries."""

from __future__ import annotations

import tomllib

from kit.paths import checkout

PROJECT = tomllib.loads((checkout() / "pyproject.toml").read_text())
ROOMS = [room for room in PROJECT["tool"]["mypy"]["packages"] if room != "tests"]
FILES = [path for room in ROOMS for path in sorted((checkout() / room).rglob("queries.sql"))]
