"""Numbers of mails, some of which are estimated or not counted to their end."""

from __future__ import annotations

from controlplane.queue.schemas.figures import BucketView, DepthView
from controlplane.queue.schemas.lists import HeldView


def in_words(counted: DepthView | BucketView | HeldView) -> str:
    """Return how many mails there are, and whether that is exact."""
    if isinstance(counted, DepthView):
        return f"about {counted.mails}" if counted.is_estimate else str(counted.mails)
    return f"{counted.mails}+" if counted.has_more else str(counted.mails)
