"""Joins the lines of `format=flowed` text again (RFC 3676 section 4)."""

from __future__ import annotations

SIGNATURE = "-- "


def unflowed(text: str, *, delete_space: bool) -> str:
    """Return text whose paragraphs are one line each; quotes keep their marks."""
    lines: list[str] = []
    open_depth: int | None = None  # of the paragraph that the next line continues
    for raw in text.removesuffix("\n").split("\n"):
        content = raw.lstrip(">")
        depth = len(raw) - len(content)
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != SIGNATURE
        if flows and delete_space:
            content = content[:-1]
        if open_depth == depth and content != SIGNATURE:
            lines[-1] += content
        else:
            lines.append(">" * depth + (" " if depth else "") + content)
        open_depth = depth if flows else None
    return "".join(f"{line}\n" for line in lines)
