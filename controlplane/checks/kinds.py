"""What is checked together, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum


class CheckKind(StrEnum):
    """What is checked together."""

    DNS = "dns"
    """Records and reverse names."""
    LINKS = "links"
    """Names for links in mail."""
    HOSTS = "hosts"
    """Ports of hosts, and mail that leaves them."""


Intervals = Mapping[CheckKind, timedelta]
"""Between two checks of a kind that were right."""
FRESH = 3
"""Intervals for which a check is relied on that was right."""
