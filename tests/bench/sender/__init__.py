"""`make bench-sender`: the sender from the claim to the outcome. See docs/benchmarks.md.

Each program is a process of its own: two senders, the receiver, and a bare loop of aiosmtplib.
"""
