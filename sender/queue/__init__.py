"""A durable queue on PostgreSQL: see README.md."""

from sender.queue.buckets import Bucket
from sender.queue.enqueue import Enqueued, enqueue
from sender.queue.install import install, worker_pool
from sender.queue.model import Job, NewJob, Outcome, State
from sender.queue.worker import Attempt, Handler, Lost, Settings, Worker

__all__ = [
    "Attempt",
    "Bucket",
    "Enqueued",
    "Handler",
    "Job",
    "Lost",
    "NewJob",
    "Outcome",
    "Settings",
    "State",
    "Worker",
    "enqueue",
    "install",
    "worker_pool",
]
