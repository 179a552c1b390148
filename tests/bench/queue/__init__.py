"""`make bench-queue`: sender.queue beside other queues. Method and results: docs/benchmarks.md.

What is in `contenders`, `contender` and `step` runs in the environment of the queue that it
measures, so it imports the standard library and that queue only.
"""
