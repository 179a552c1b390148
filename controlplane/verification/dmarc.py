"""The DMARC policy of a domain, as receivers read it (RFC 7489 6.3 and 6.6.3)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from controlplane.verification.tag_list import TagMistake, parse

POLICIES = ("none", "quarantine", "reject")
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(;|\Z)")

Texts = Callable[[str], Awaitable[Sequence[str]]]
"""Name → its TXT records."""


class PolicyMistake(Exception):
    """Receivers ignore this record; the message says why."""


def versioned(texts: Sequence[str]) -> list[str]:
    """Return the DMARC records: `v=DMARC1` is their first tag, and all others are discarded."""
    return [text for text in texts if _VERSION.match(text)]


def policy_of(text: str) -> str:
    """Return the policy of a record; raises PolicyMistake where receivers ignore the record.

    One without a valid policy that asks for reports counts as `none` (6.6.3 6). Mistakes in other
    tags do not matter (6.3).
    """
    try:
        tags = parse(text, lenient=True)
    except TagMistake as mistake:
        raise PolicyMistake(str(mistake)) from None
    values = {name.lower(): value.lower() for name, value in tags.items()}
    wrong = [
        name
        for name in ("p", "sp")
        if values.get(name, "none" if name == "sp" else "") not in POLICIES
    ]
    if not wrong:
        return values["p"]
    if "mailto:" in values.get("rua", ""):
        return "none"
    raise PolicyMistake(f"its tag {wrong[0]}= is none of {', '.join(POLICIES)}")


async def organisational(domain: str, texts: Texts) -> tuple[str, list[str]]:
    """Return where the policy of a domain without a record is found, and the records there.

    The names above it are asked up to the last but one label (RFC 9989 4.10): no list of public
    suffixes is needed.
    """
    name = domain
    while name.count(".") > 1:
        name = name.partition(".")[2]
        if found := versioned(await texts(f"_dmarc.{name}")):
            return name, found
    return domain, []
