"""A durable queue on PostgreSQL: see README.md."""

from sender.queue.buckets import Bucket
from sender.queue.enqueue import Enqueued, enqueue
from sender.queue.install import install, worker_pool
from sender.queue.model import Job, NewJob, Outcome, State
from sender.queue.settings import Settings
from sender.queue.store import Intent, Refused
from sender.queue.worker import Attempt, Handler, Lost, Worker

__all__ = [
    "Attempt",
    "Bucket",
    "Enqueued",
    "Handler",
    "Intent",
    "Job",
    "Lost",
    "NewJob",
    "Outcome",
    "Refused",
    "Settings",
    "State",
    "Worker",
    "enqueue",
    "install",
    "worker_pool",
]
