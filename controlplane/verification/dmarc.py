"""DMARC records as receivers read them (RFC 7489 6.3 and 6.6.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from controlplane.verification.tag_list import TagMistake, parse

POLICIES = ("none", "quarantine", "reject")
_VERSION = re.compile(r"v[ \t]*=[ \t]*(?-i:DMARC1)[ \t]*(;|\Z)", re.IGNORECASE)
_REPORT_ADDRESS = re.compile(r"(^|,)\s*mailto:[^@,\s]+@[^@,\s]+", re.IGNORECASE)


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
    policies = {"p": "", "sp": "none", "np": "none"} | tags
    wrong = [name for name in ("p", "sp", "np") if policies[name].lower() not in POLICIES]
    if not wrong:
        return policies["p"].lower()
    if _REPORT_ADDRESS.search(tags.get("rua", "")):
        return "none"
    raise PolicyMistake(f"its tag {wrong[0]}= is none of {', '.join(POLICIES)}")
