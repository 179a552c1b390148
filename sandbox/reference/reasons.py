"""The page of the reasons of messages and buckets, printed from their table."""

from __future__ import annotations

from sender.reasons import REASONS

HEAD = """# Reasons of messages

Why a message waits or has ended, as `penguin explain` shows it and the API answers it (`reason`).
Codes are stable. Who must act: `nobody` means that it goes on by itself. The code of an
[error](errors.md) is a reason too, where composing or signing failed by it.

| Reason | Meaning | Acts | What releases it |
|---|---|---|---|
"""


def page() -> str:
    """List every reason."""
    rows = (f"| `{r.code}` | {r.words} | {r.acts} | {r.release or '-'} |\n" for r in REASONS)
    return HEAD + "".join(rows)
