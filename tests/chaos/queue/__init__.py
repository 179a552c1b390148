"""`make chaos-queue`: senders and servers end in every way; no mail is lost or received twice.

A `receiver`, which is never ended, stands for all mail hosts. `program` is the sender under test:
the whole one, or the queue's worker with a small handler. It says in a `journal` what it does, and
ends itself at a named point (`points`). `harness` runs both, offers mail, disturbs, and compares
the receiver's log with the database (`verdict`).
"""
