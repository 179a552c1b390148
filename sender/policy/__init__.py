"""When a message may leave, from which address, and why not: pure decisions over what is counted.

`buckets.credit` decides about a bucket; `counters`, `holds`, `warmup` and `providers` keep what it
looks at. Caps count hand-overs that our host has accepted, or whose outcome is unknown.
"""

from sender.policy.decision import LOOK_AGAIN, Decision, Route, Sender, decide, warmup_day

__all__ = ["LOOK_AGAIN", "Decision", "Route", "Sender", "decide", "warmup_day"]
