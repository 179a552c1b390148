"""When a message may leave, from which address, and why not: pure decisions over what is counted.

`buckets.credit` decides about a bucket; `counters`, `holds`, `warmup` and `providers` keep what it
looks at. Caps count hand-overs that our host has accepted, or whose outcome is unknown.
"""

from datetime import timedelta

LOOK_AGAIN = timedelta(minutes=15)
"""When mail that waits for a change is decided about again, in case that the change was missed."""
